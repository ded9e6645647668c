import type { PostgresSession } from '../../postgres/connection.ts';
import { readArchiverState } from '../../postgres/server.ts';
import type { ObjectStore } from '../../store/store.ts';
import { WAL } from '../../wal/keys.ts';
import { isSegmentName } from '../../wal/segment.ts';
import { findMissing, type HasAdvanced, STORED } from './archive-wait.ts';

/** An answer of the server that takes longer is none, ms: the store is asked all the same. */
const ANSWER_TIMEOUT = 5_000;

/**
 * Follows the archiver of a primary by what it says it has archived. A segment counts only when it lies before
 * what is missing and the store has it: an archiver that stores elsewhere, or has left a gap, comes no closer.
 */
export function followArchiver(deps: { store: ObjectStore; session: PostgresSession }): HasAdvanced {
  const { store, session } = deps;
  let known: { last: string | undefined } | undefined;
  return async (missing, signal) => {
    const state = await askArchiver(session, signal);
    if (state === undefined) return false;
    const { lastArchived } = state;
    const isNew = known !== undefined && known.last !== lastArchived;
    known = { last: lastArchived };
    if (!isNew || lastArchived === undefined) return false;
    // History files and the like stand in the same queue.
    if (!isSegmentName(lastArchived)) return true;
    return lastArchived < missing[0]! && (await findMissing(store, [lastArchived], signal)).length === 0;
  };
}

/** Follows the archiver of another server, a standby's primary, by what is in the store. */
export function followArchive({ store }: { store: ObjectStore }): HasAdvanced {
  let newest: string | undefined;
  return async ([first], signal) => {
    const before = newest;
    newest = await findNewestBefore(store, first!, before, signal);
    return before !== undefined && newest > before;
  };
}

/** A server that does not answer, or is gone after the backup's end, says nothing of its archiver. */
async function askArchiver(session: PostgresSession, signal: AbortSignal) {
  try {
    return await readArchiverState(session, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT)]));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/**
 * @param known nothing that lies before it matters; undefined: it is searched for, backwards
 * @returns the newest segment of the timeline that lies before `segment`, or a name that all lie behind
 */
async function findNewestBefore(
  store: ObjectStore,
  segment: string,
  known: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (known !== undefined) return (await findNewest(store, known, segment, signal)) ?? known;
  const timeline = segment.slice(0, 8);
  const high = Number.parseInt(segment.slice(8, 16), 16);
  // The middle of the name counts steps of 4 GiB. A backlog is short, as a rule; twice as far each time.
  for (let back = 1; ; back *= 2) {
    const from = Math.max(high - back, 0);
    const bound = `${timeline}${from.toString(16).toUpperCase().padStart(8, '0')}`;
    const found = await findNewest(store, bound, segment, signal);
    if (found !== undefined || from === 0) return found ?? bound;
  }
}

async function findNewest(
  store: ObjectStore,
  from: string,
  end: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let newest: string | undefined;
  for await (const { key } of store.list(WAL + end.slice(0, 8), { signal, startAfter: WAL + from })) {
    const name = key.slice(WAL.length);
    if (name >= end) break;
    newest = STORED.exec(name)?.[1] ?? newest;
  }
  return newest;
}
