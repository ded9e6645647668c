import type { ObjectStore } from '../store/store.ts';
import type { Archive } from './archive.ts';
import type { Lsn } from './lsn.ts';
import type { UnixMicros } from './timestamp.ts';
import type { BackupSpan, Moment } from './window.ts';

/** Where recovery shall stop; `none` is the end of the WAL. Bounds are inclusive, PostgreSQL's default. */
export type Target =
  | { kind: 'none' }
  | { kind: 'immediate' }
  | { kind: 'time'; time: UnixMicros }
  | { kind: 'lsn'; lsn: Lsn }
  | { kind: 'xid'; xid: number }
  | { kind: 'name'; name: string };

export interface TargetRequest {
  target: Target;
  /** As recovery_target_timeline. */
  timeline: number | 'latest' | 'current';
  /** Use this one; otherwise the newest that leads to the target. */
  backup?: string | undefined;
}

/** What to restore and what to write into the recovery settings. */
export interface ReachableTarget<B extends BackupSpan> {
  reachable: true;
  backup: B;
  /** The timeline recovery will be on when it stops. */
  timeline: number;
  /** PostgreSQL's recovery_target* settings, without recovery_target_action and _inclusive. */
  settings: Readonly<Record<string, string>>;
  /** The newest moment that can be reached from that backup. */
  newest: Moment;
  /** False when only PostgreSQL can tell whether the target exists (an xid or a name too far away to look). */
  checked: boolean;
  /** Newer backups that were passed over, and why. */
  skipped: readonly SkippedBackup[];
}

export interface UnreachableTarget {
  reachable: false;
  /** Lower case, without a full stop: an error's message. */
  reason: string;
  /** One sentence for a hint, naming what can be reached. */
  hint: string | undefined;
  /** The span around the target's side that can be reached. */
  oldest: Moment | undefined;
  newest: Moment | undefined;
  skipped: readonly SkippedBackup[];
}

export interface SkippedBackup {
  name: string;
  reason: string;
}

/**
 * Chooses the backup for a target and tells whether recovery can reach it, from the archive as listed and
 * the WAL at its end. Reads WAL only where the answer depends on it.
 * @throws PgarcError `store-unreachable`, `object-damaged`
 */
export async function resolveTarget<B extends BackupSpan>(
  deps: { store: ObjectStore; archive: Archive; backups: readonly B[] },
  request: TargetRequest,
  signal: AbortSignal,
): Promise<ReachableTarget<B> | UnreachableTarget> {
  void [deps, request, signal];
  throw new Error('not written yet');
}
