import { randomUUID } from 'node:crypto';
import { waitForSegments } from '../backup/push/archive-wait.ts';
import { FOREIGN_HINT } from '../backup/push/own-segment.ts';
import { isPgarcError } from '../errors.ts';
import type { PostgresSession } from '../postgres/connection.ts';
import { readArchiverState, type ServerFacts, switchWal } from '../postgres/server.ts';
import { formatCount, formatDuration } from '../report/units.ts';
import type { ObjectStore } from '../store/store.ts';
import { isBlockSize, parsePageHeader } from '../wal/page-header.ts';
import { readWalObject } from '../wal/read-object.ts';
import { WalReader } from '../wal/records.ts';
import type { Finding } from './finding.ts';

/** Resource manager of pg_logical_emit_message() (rmgrlist.h). */
const RM_LOGICALMSG = 21;

/** SQLSTATE insufficient_privilege. */
const NOT_ALLOWED = '42501';

/**
 * Ends the current segment of a primary, waits until PostgreSQL has archived it, and reads it back whole: a
 * message written for this check must be in it, for a copy of the cluster writes segments of the same names.
 * @param timeout ms
 * @throws PgarcError of the server or the store
 */
export async function checkRoundTrip(
  deps: { session: PostgresSession; facts: ServerFacts; store: ObjectStore },
  timeout: number,
  signal: AbortSignal,
): Promise<Finding> {
  const { session, facts, store } = deps;
  const skipped = findReasonToSkip(facts);
  if (skipped !== undefined) return { name: 'round-trip', status: 'skipped', message: skipped };
  const started = performance.now();
  const before = await readArchiverState(session);
  const message = `check ${randomUUID()}`;
  let segment: string;
  try {
    segment = await endSegment(session, message);
  } catch (error) {
    if (!isPgarcError(error) || error.details?.sqlstate !== NOT_ALLOWED) throw error;
    return {
      name: 'round-trip',
      status: 'skipped',
      message: 'this user may not call pg_switch_wal()',
      hint: 'As a superuser: grant execute on function pg_switch_wal to the user that takes backups.',
    };
  }
  const missing = await waitForSegments(store, [segment], timeout, signal);
  if (missing.length > 0) {
    const { failedCount } = await readArchiverState(session);
    const failures = failedCount - before.failedCount;
    const reason = failures > 0 ? `; archive_command failed ${formatCount(failures, 'time')} meanwhile` : '';
    return {
      name: 'round-trip',
      status: 'failed',
      message: `${segment} did not arrive in the archive within ${formatDuration(timeout)}${reason}`,
      hint: 'Look into the server log for what archive_command says; it must use the same store as this check.',
    };
  }
  const bytes = await readWalObject(store, segment, signal);
  if (bytes?.length !== facts.segmentSize) {
    return {
      name: 'round-trip',
      status: 'failed',
      message: `${segment} reads back with ${bytes?.length ?? 0} bytes, a segment has ${facts.segmentSize}`,
    };
  }
  if (!holdsMessage(bytes, message)) {
    return {
      name: 'round-trip',
      status: 'failed',
      message: `${segment} in ${store.location} is another server's: it lacks what this check wrote into it`,
      hint: FOREIGN_HINT,
    };
  }
  const took = formatDuration(performance.now() - started);
  return { name: 'round-trip', status: 'ok', message: `${segment} was archived and read back in ${took}` };
}

/** What pg_stat_archiver has counted, judged by whether the last failure has been made good since. */
export async function checkArchiver(session: PostgresSession, facts: ServerFacts): Promise<Finding> {
  if (facts.archiveMode === 'off')
    return { name: 'archiver', status: 'skipped', message: 'archive_mode is off' };
  const { lastArchived, lastArchivedTime, lastFailed, lastFailedTime, failedCount } =
    await readArchiverState(session);
  const last = lastArchived === undefined ? 'it has archived nothing yet' : `archived last: ${lastArchived}`;
  if (lastFailed === undefined) return { name: 'archiver', status: 'ok', message: last };
  const when = lastFailedTime === undefined ? '' : ` at ${lastFailedTime.toISOString()}`;
  const failures = `${formatCount(failedCount, 'failure')}, the last with ${lastFailed}${when}`;
  // By time: a .history or .backup file that fails has a lower name than the segment before it.
  if ((lastArchivedTime ?? 0) >= (lastFailedTime ?? 0)) {
    return { name: 'archiver', status: 'ok', message: `${last}; made good: ${failures}` };
  }
  return {
    name: 'archiver',
    status: 'failed',
    message: `it is failing: ${failures}; ${last}`,
    hint: 'Look into the server log for what archive_command says.',
  };
}

function findReasonToSkip(facts: ServerFacts): string | undefined {
  if (facts.inRecovery) return 'a standby cannot end a segment: run the check on the primary';
  if (facts.archiveMode === 'off') return 'archive_mode is off';
  if (facts.archiveCommand === '' && facts.archiveLibrary === '') return 'archive_command is empty';
  return undefined;
}

/** Writes a message, and ends the segment. @returns name of the segment that has it and is complete now */
async function endSegment(session: PostgresSession, message: string): Promise<string> {
  // An empty segment is not ended (pg_switch_wal), so something is written first, in no table; twice, for the
  // first may have begun in the segment before.
  const [row] = await session.query(
    `select pg_walfile_name(pg_logical_emit_message(false, 'pgarc', $1::text)) as segment,
            pg_logical_emit_message(false, 'pgarc', $1::text)`,
    [message],
  );
  await switchWal(session);
  return String(row?.segment);
}

/** By records: a page may end in the middle of the message. */
function holdsMessage(segment: Buffer, message: string): boolean {
  const header = parsePageHeader(segment);
  if (header?.long === undefined || !isBlockSize(header.long.blockSize)) return false;
  let holds = false;
  const reader = new WalReader({
    start: header.pageAddress,
    segmentSize: segment.length,
    wants: (rmid) => rmid === RM_LOGICALMSG,
    onRecord: ({ body }) => {
      holds ||= body.includes(message);
    },
  });
  const { blockSize } = header.long;
  for (let at = 0; at < segment.length && !holds && reader.ended === undefined; at += blockSize) {
    reader.pushPage(segment.subarray(at, at + blockSize));
  }
  return holds;
}
