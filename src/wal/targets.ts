import type { Lsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import type { Archive, DamagedHistory } from './archive.ts';
import { coveredRanges } from './gaps.ts';
import { findDamage, findPath } from './recovery-path.ts';
import { StoredWal } from './stored-wal.ts';
import { type Aim, type AimOptions, aimAt } from './target-aim.ts';
import { explainMiss } from './target-miss.ts';
import type { UnixMicros } from './timestamp.ts';
import { type BackupSpan, endOf, type Moment, rangeOf } from './window.ts';

/** Where recovery shall stop; `none` is the end of the WAL. Bounds are inclusive, PostgreSQL's default. */
export type Target =
  | { kind: 'none' }
  | { kind: 'immediate' }
  | { kind: 'time'; time: UnixMicros }
  | { kind: 'lsn'; lsn: Lsn }
  // `full` when it was given with its epoch, as pg_current_xact_id() tells it. PostgreSQL compares without, too.
  | { kind: 'xid'; xid: number; full?: bigint }
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
  /** The timeline recovery aims at; it stops on an earlier one when the target lies there. */
  timeline: number;
  /** PostgreSQL's recovery_target* settings, without recovery_target_action and _inclusive. */
  settings: Readonly<Record<string, string>>;
  /** The newest moment that can be reached from that backup; undefined for `immediate`, which does not look. */
  newest: Moment | undefined;
  /** False when only PostgreSQL can tell whether the target exists: an xid or a name too far away to look. */
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
  /** What can be reached on the side of the target. */
  oldest: Moment | undefined;
  newest: Moment | undefined;
  skipped: readonly SkippedBackup[];
}

export interface SkippedBackup {
  name: string;
  reason: string;
  /** Where it leads cannot be told without this history file. */
  damaged?: DamagedHistory;
}

export interface TargetDeps<B extends BackupSpan> {
  store: ObjectStore;
  archive: Archive;
  backups: readonly B[];
}

/**
 * Chooses the backup for a target and tells whether recovery can reach it, from the archive as listed and
 * the WAL at its end. Reads WAL only where the answer depends on it.
 *
 * PostgreSQL's rules (xlogrecovery.c): recovery fails when it ends before its target or when the target lies
 * before the backup's end. A time is reached by a commit or abort that is later; an LSN by a record that
 * begins there or later; an xid and a name by their own record. Those two are looked for in the WAL, newest
 * first, within a limit. A time in a quiet spell, after which only a backup or a restore point shows that the
 * WAL went on, becomes the LSN of the last transaction before it. Where the server went over to wal_level = minimal
 * recovery fails, so nothing behind that is reached (minimal.ts tells how far this is seen).
 * @throws PgarcError `store-unreachable`, and `object-damaged` while looking for an xid or a name
 */
export async function resolveTarget<B extends BackupSpan>(
  deps: TargetDeps<B>,
  request: TargetRequest,
  signal: AbortSignal,
): Promise<ReachableTarget<B> | UnreachableTarget> {
  const { archive, backups } = deps;
  const candidates = backups
    .filter((backup) => backup.usable && (request.backup === undefined || backup.name === request.backup))
    .sort((a, b) => b.finishTime.getTime() - a.finishTime.getTime());
  const wal = new StoredWal(deps.store);
  const skipped: SkippedBackup[] = [];
  const missed: Aim[] = [];
  const known: AimOptions['known'] = new Map();
  const starts: AimOptions['starts'] = new Map();
  for (const backup of candidates) {
    const way = findPath(archive, backup, request.timeline);
    if (typeof way === 'string') {
      const damaged = findDamage(archive, backup, request.timeline);
      skipped.push({ name: backup.name, reason: way, ...(damaged && { damaged }) });
      continue;
    }
    const range = rangeOf(coveredRanges(archive, way.spans), backup);
    if (range === undefined) {
      skipped.push({ name: backup.name, reason: 'some of the WAL it needs is not in the archive' });
      continue;
    }
    const path = { wal, archive, spans: way.spans, range: { begin: endOf(backup), end: range.end } };
    const aim = await aimAt(
      request.target,
      { backup, path, named: request.backup !== undefined, known, starts },
      signal,
    );
    if (aim.hit !== undefined) {
      const timeline = way.timeline;
      const settings = { recovery_target_timeline: String(request.timeline), ...aim.hit.settings };
      return {
        reachable: true,
        backup,
        timeline,
        settings,
        newest: aim.newest,
        checked: aim.hit.checked,
        skipped,
      };
    }
    missed.push(aim);
    skipped.push({ name: backup.name, reason: aim.reason });
  }
  return { reachable: false, ...explainMiss(request, missed, skipped), skipped };
}
