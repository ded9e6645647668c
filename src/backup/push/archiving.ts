import { PgarcError } from '../../errors.ts';
import { parseBackupLabel } from '../../postgres/backup-label.ts';
import type { PostgresSession } from '../../postgres/connection.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import { NEEDS_PRIMARY } from '../../postgres/needs-primary.ts';
import { readArchiverState, readCurrentLsn, type ServerFacts, switchWal } from '../../postgres/server.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { formatSegmentName, segmentAt, segmentBefore, segmentStart } from '../../wal/segment.ts';
import { findWrongSegment } from '../wal-of-backup.ts';
import { followArchive, followArchiver } from './archive-progress.ts';
import { findMissing, waitForSegments } from './archive-wait.ts';
import { describeForeign, isOwnSegment } from './own-segment.ts';

export interface ArchivingDeps {
  store: ObjectStore;
  session: PostgresSession;
  facts: ServerFacts;
  /** The server's data directory. */
  pgdata: string;
  emit: Emit;
}

/**
 * Proves that archiving works before the first file is copied: the segment in which the backup starts must
 * arrive in the store, and be this server's. It may stand at the end of a queue.
 * @param timeout ms without progress
 * @throws PgarcError `failed`, with what the server's archiver says, or whose segment is there
 */
export async function proveArchiving(
  deps: ArchivingDeps,
  start: { timeline: number; startLsn: Lsn },
  timeout: number,
  signal: AbortSignal,
): Promise<void> {
  const { store, session, facts, emit } = deps;
  const segment = segmentAt(start.timeline, start.startLsn, facts.segmentSize);
  const name = formatSegmentName(segment, facts.segmentSize);
  if (!facts.inRecovery) {
    await switchIfAllowed(session, emit);
    emit({ type: 'phase', operation: 'backup', text: `waiting for ${name} to arrive in the archive` });
  } else if ((await findMissing(store, [name], signal)).length > 0) {
    emit({
      type: 'phase',
      operation: 'backup',
      text: `waiting for the primary to archive ${name} (select pg_switch_wal() there ends it)`,
    });
  }
  await awaitSegments(deps, [name], timeout, signal);
  // What is in the archive is complete, so on a primary its own file is too.
  const end = facts.inRecovery
    ? await readCurrentLsn(session)
    : segmentStart(segment, facts.segmentSize) + BigInt(facts.segmentSize);
  // Where the server has it no longer, the backup's end tells.
  await isOwnSegment(deps, segment, end, signal);
}

/**
 * Waits until all WAL of a backup is in the archive, and proves that it is this server's by its last segment:
 * an archiver that cannot store a segment comes no further.
 * @param timeout ms without progress
 * @throws PgarcError `failed` that names what is missing, or whose segment is there
 */
export async function requireWal(
  deps: ArchivingDeps,
  range: { timeline: number; startLsn: Lsn; stopLsn: Lsn; backupLabel: string },
  timeout: number,
  signal: AbortSignal,
): Promise<void> {
  const { timeline, startLsn, stopLsn, backupLabel } = range;
  const { segmentSize } = deps.facts;
  const last = segmentBefore(timeline, stopLsn, segmentSize);
  const segments: string[] = [];
  for (
    const segment = segmentAt(timeline, startLsn, segmentSize);
    segment.number <= last.number;
    segment.number++
  ) {
    segments.push(formatSegmentName(segment, segmentSize));
  }
  await awaitSegments(deps, segments, timeout, signal);
  if (await isOwnSegment(deps, last, stopLsn, signal)) return;
  const { checkpointLsn, fromStandby } = parseBackupLabel(backupLabel);
  const wanted = { timeline, segmentSize, startLsn, checkpointLsn, stopLsn, fromStandby };
  const wrong = await findWrongSegment(deps.store, wanted, signal);
  if (wrong !== undefined) throw await describeForeign(deps, wrong.segment, wrong.reason, signal);
}

async function awaitSegments(
  deps: ArchivingDeps,
  segments: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<void> {
  const begun = performance.now();
  const follow = deps.facts.inRecovery ? followArchive(deps) : followArchiver(deps);
  const missing = await waitForSegments(deps.store, segments, timeout, signal, follow);
  if (missing.length > 0) throw await describeMissing(deps, missing, timeout, performance.now() - begun);
}

/** The function may be revoked from this user; then archive_timeout or the next writes do it. */
async function switchIfAllowed(session: PostgresSession, emit: Emit): Promise<void> {
  try {
    await switchWal(session);
  } catch (error) {
    if ((error as PgarcError).details?.sqlstate !== '42501') throw error;
    emit({
      type: 'warning',
      message: 'may not end the WAL segment, so the backup waits until the server does',
      hint: 'As a superuser: grant execute on function pg_switch_wal to the user that takes backups.',
    });
  }
}

const ELSEWHERE =
  'Its archive_command stores somewhere else: compare it and its environment with `pgarc config show`.';

/** What was waited beyond the timeout from which on it is told, ms: there was progress until then. */
const MUCH_LONGER = 5_000;

async function describeMissing(
  deps: ArchivingDeps,
  missing: readonly string[],
  timeout: number,
  waited: number,
): Promise<PgarcError> {
  const names =
    missing.length <= 5
      ? missing.join(', ')
      : `${missing.slice(0, 5).join(', ')} and ${missing.length - 5} more`;
  const { facts } = deps;
  const { reason, hint } = await askArchiver(deps, missing);
  const seconds = (duration: number) => `${Math.round(duration / 1000)} s`;
  const time =
    waited < timeout + MUCH_LONGER
      ? seconds(timeout)
      : `${seconds(waited)}, and came no closer in the last ${seconds(timeout)}`;
  return new PgarcError(
    'failed',
    `WAL did not arrive in ${deps.store.location} within ${time}: ${names}${reason}`,
    {
      hint,
      // The primary may end the segment in its own time.
      retryable: facts.inRecovery,
      details: { missing: [...missing], ...(facts.inRecovery ? { reason: NEEDS_PRIMARY } : {}) },
    },
  );
}

async function askArchiver(
  { session, facts }: ArchivingDeps,
  missing: readonly string[],
): Promise<{ reason: string; hint: string }> {
  if (facts.inRecovery) {
    return {
      reason: '; this server is a standby, and its primary archives',
      hint: 'Check archiving on the primary (pgarc check there), or set archive_mode = always here; on an idle primary run select pg_switch_wal().',
    };
  }
  const hint = 'Look into the server log for what archive_command says, or run pgarc check.';
  try {
    const state = await readArchiverState(session);
    const archived = state.lastArchived === undefined ? 'nothing yet' : state.lastArchived;
    // Names of one timeline's segments sort as its WAL runs.
    if (/^[0-9A-F]{24}/.test(archived) && archived >= missing[0]!)
      return { reason: `; the server did archive ${archived}`, hint: ELSEWHERE };
    if (state.lastFailed === undefined) return { reason: `; archived last: ${archived}`, hint };
    const when = state.lastFailedTime === undefined ? '' : ` at ${state.lastFailedTime.toISOString()}`;
    const failures = `${state.failedCount} failures of archive_command, the last with ${state.lastFailed}${when}`;
    return { reason: `; ${failures}; archived last: ${archived}`, hint };
  } catch {
    return { reason: '', hint };
  }
}
