import type { Backup } from '../backup/catalog.ts';
import { type FetchResult, fetchBackup } from '../backup/fetch/fetch.ts';
import { holdDirectory, requireFreeDirectory } from '../backup/fetch/hold.ts';
import type { TablespaceOptions } from '../backup/fetch/tablespaces.ts';
import { type ErrorCode, isPgarcError, messageOf } from '../errors.ts';
import type { PostgresSettings } from '../postgres/connection.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Archive, listArchive } from '../wal/archive.ts';
import { readIdentity } from '../wal/identity.ts';
import { type Decision, decide, type Reason } from './decision.ts';
import type { Facts, Thresholds } from './facts.ts';
import { askLeader } from './leader.ts';
import { explain, type ListOrigin } from './sentence.ts';

export interface BackupList extends ListOrigin {
  backups: readonly Backup[];
}

export interface ReplicaDeps {
  store: ObjectStore;
  /** The list of backups, from etcd when the store is slow or down. */
  listBackups(signal: AbortSignal): Promise<BackupList>;
  emit: Emit;
}

export interface ReplicaOptions {
  /** Absolute. */
  datadir: string;
  connstring: string;
  noLeader: boolean;
  thresholds: Thresholds;
  postgres: PostgresSettings;
  retries: number;
  tablespaces: TablespaceOptions;
  concurrency: number;
  /** Decides and restores nothing. */
  dryRun: boolean;
}

/** `use`: restored, or would be; `no`: never like this; `retry`: perhaps later. */
export type Verdict = 'use' | 'no' | 'retry';

export interface ReplicaResult {
  verdict: Verdict;
  /** The last word: of the decision, or the code of the error that stood in its way. */
  reason: Reason | ErrorCode;
  /** Patroni's: 0, 2, 1. */
  exitCode: 0 | 1 | 2;
  message: string;
  hint: string | undefined;
  facts: Facts | undefined;
  decision: Decision | undefined;
  list: ListOrigin | undefined;
  restored: FetchResult | undefined;
}

const EXIT_CODES = { use: 0, retry: 1, no: 2 } as const;

/**
 * Decides whether a new replica starts from the archive, says so in one line, and restores it. What happens is in
 * the result, never thrown, so that there is a line and a code for Patroni in every case. A restore that fails
 * leaves the directory as it was, for Patroni's next method.
 */
export async function bootstrapReplica(
  deps: ReplicaDeps,
  options: ReplicaOptions,
  signal: AbortSignal,
): Promise<ReplicaResult> {
  const state: Pick<ReplicaResult, 'facts' | 'decision' | 'list' | 'restored'> = {
    facts: undefined,
    decision: undefined,
    list: undefined,
    restored: undefined,
  };
  const end = (verdict: Verdict, reason: ReplicaResult['reason'], message: string, hint?: string) =>
    tell(deps.emit, { ...state, verdict, reason, exitCode: EXIT_CODES[verdict], message, hint });
  try {
    await requireFreeDirectory(options.datadir, 'remove');
    const { decision, facts, list, archive } = await survey(deps, options, signal);
    Object.assign(state, { decision, facts, list });
    const message = explain(facts, decision, list, archive?.segmentSize);
    const decided = end(decision.use ? 'use' : 'no', decision.reason, message);
    if (!decision.use || options.dryRun || decision.backup === undefined) return decided;
    state.restored = await restore(deps, options, decision.backup, signal);
    return { ...decided, restored: state.restored };
  } catch (error) {
    const { verdict, reason } = judgeError(error, signal);
    const what = state.decision?.use ? 'the restore failed' : 'not using the archive';
    const hint = isPgarcError(error) ? error.hint : undefined;
    return end(verdict, reason, `${what}: ${messageOf(error)}`, hint);
  }
}

/** The result when something is wrong before there is anything to decide, such as with a setting; told as any other. */
export function refuseReplica(emit: Emit, error: unknown, signal: AbortSignal): ReplicaResult {
  const { verdict, reason } = judgeError(error, signal);
  return tell(emit, {
    ...{ verdict, reason, exitCode: EXIT_CODES[verdict] },
    message: `not using the archive: ${messageOf(error)}`,
    hint: isPgarcError(error) ? error.hint : undefined,
    ...{ facts: undefined, decision: undefined, list: undefined, restored: undefined },
  });
}

function tell(emit: Emit, result: ReplicaResult): ReplicaResult {
  const { verdict, reason, message, hint } = result;
  emit({ type: 'replicaDecision', verdict, reason, message, ...(hint === undefined ? {} : { hint }) });
  return result;
}

/** A list from etcd is enough to decide against the archive; to use it the store must answer after all. */
async function survey(deps: ReplicaDeps, options: ReplicaOptions, signal: AbortSignal) {
  const { connstring, postgres, retries, noLeader, thresholds } = options;
  const leader = await askLeader({ connstring, settings: postgres, retries }, signal);
  const base: Facts = {
    leader,
    noLeader,
    thresholds,
    backups: [],
    archive: undefined,
    archiveOwner: undefined,
  };
  if (leader.kind === 'unreachable' && !noLeader) {
    return { facts: base, decision: decide(base), list: undefined, archive: undefined };
  }
  const list = await deps.listBackups(signal);
  let facts: Facts = { ...base, backups: list.backups };
  let decision = decide(facts);
  let archive: Archive | undefined;
  const isKnownEnough = list.source === 'etcd' && !decision.use;
  if (list.backups.length > 0 && !isKnownEnough) {
    archive = await listArchive(deps.store, signal);
    facts = { ...facts, archive, archiveOwner: await readIdentity(deps.store, signal) };
    decision = decide(facts);
  }
  return { facts, decision, list, archive };
}

async function restore(
  deps: ReplicaDeps,
  options: ReplicaOptions,
  backup: Backup,
  signal: AbortSignal,
): Promise<FetchResult> {
  const { datadir, tablespaces, concurrency } = options;
  const directory = await holdDirectory(datadir, 'remove');
  if (directory.hadRemains) {
    const text = `removed what a restore into ${datadir} had left that was ended`;
    deps.emit({ type: 'phase', operation: 'restore', text });
  }
  try {
    const result = await fetchBackup(
      deps,
      {
        pgdata: datadir,
        name: backup.name,
        // Patroni writes the settings and the signal file of a replica itself.
        mode: 'raw',
        target: { kind: 'none' },
        timeline: 'latest',
        action: 'promote',
        restoreCommand: '',
        tablespaces,
        concurrency,
        holder: directory,
      },
      signal,
    );
    await directory.finish();
    return result;
  } catch (error) {
    await directory.abandon(deps.emit);
    throw error;
  }
}

function judgeError(
  error: unknown,
  signal: AbortSignal,
): Pick<ReplicaResult, 'reason'> & { verdict: Verdict } {
  if (signal.aborted) return { verdict: 'retry', reason: 'interrupted' };
  if (!isPgarcError(error)) return { verdict: 'retry', reason: 'failed' };
  return { verdict: error.retryable ? 'retry' : 'no', reason: error.code };
}
