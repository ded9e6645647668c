import { isPgarcError } from '../errors.ts';
import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { WalReader, type WalRecord } from './records.ts';
import { nameOf, segmentsIn, type WalPath } from './scan.ts';
import { isLevelChange, parseLevelChange } from './transaction-records.ts';

/**
 * Segments whose beginning is looked at. Of 16 MiB these are 64 GiB of WAL: up to a minute here, and a quarter of an
 * hour or more for PostgreSQL.
 */
const SEGMENT_LIMIT = 4096n;
/** Each takes some 10 MiB. */
const READERS = 8n;

/**
 * Finds on a way where the server went over to wal_level = minimal. From there on WAL lacks what recovery needs:
 * PostgreSQL stops at the record that tells of it (xlogrecovery.c, CheckRequiredParameterValues), and version 13
 * goes on without the data. Only such a record of a server that had been shut down: a shutdown with archive_mode
 * on ends the segment (xlog.c, ShutdownXLOG), so that it comes on the first page of the next one, behind the
 * checkpoint. What `known` holds of segments is not read again.
 * @throws PgarcError `store-unreachable`
 */
export async function findMinimalAtStarts(
  path: WalPath,
  known: Map<string, Lsn | undefined>,
  signal: AbortSignal,
): Promise<Lsn | undefined> {
  const { first, last } = segmentsIn(path);
  const end = last - first < SEGMENT_LIMIT ? last : first + SEGMENT_LIMIT - 1n;
  const look = async (number: bigint) => {
    const name = nameOf(path, number);
    if (!known.has(name)) known.set(name, await readStart(path, number, signal));
    const lsn = known.get(name);
    return lsn !== undefined && lsn >= path.range.begin && lsn < path.range.end ? lsn : undefined;
  };
  for (let number = first; number <= end; number += READERS) {
    signal.throwIfAborted();
    const count = Number(end - number < READERS ? end - number + 1n : READERS);
    const looks = Array.from({ length: count }, (_, i) => look(number + BigInt(i)));
    // None goes on behind the caller's back when another fails.
    for (const outcome of await Promise.allSettled(looks)) {
      if (outcome.status === 'rejected') throw outcome.reason;
      if (outcome.value !== undefined) return outcome.value;
    }
  }
  return undefined;
}

/** `WAL from LSN 0/7000098 on was written with wal_level = minimal`. */
export function describeMinimal(lsn: Lsn): string {
  return `WAL from LSN ${formatLsn(lsn)} on was written with wal_level = minimal`;
}

/** Where the first page of a segment tells of the change to wal_level = minimal. @param start LSN of the page */
export function readLevelChange(page: Buffer, start: Lsn, segmentSize: number): Lsn | undefined {
  let found: Lsn | undefined;
  const reader = new WalReader({
    start,
    segmentSize,
    wants: isLevelChange,
    onRecord: (record: WalRecord) => {
      if (parseLevelChange(record) === 'minimal') found ??= record.lsn;
    },
  });
  reader.pushPage(page);
  return found;
}

async function readStart(path: WalPath, number: bigint, signal: AbortSignal): Promise<Lsn | undefined> {
  const { segmentSize } = path.archive;
  try {
    for await (const page of path.wal.pages(nameOf(path, number), signal)) {
      return readLevelChange(page, number * BigInt(segmentSize), segmentSize);
    }
  } catch (error) {
    // That it is damaged is told where the way is read.
    if (!isPgarcError(error, 'object-damaged')) throw error;
  }
  return undefined;
}
