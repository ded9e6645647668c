import { mapParallel } from '../backup/map-parallel.ts';
import { isPgarcError } from '../errors.ts';
import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { WalReader, type WalRecord } from './records.ts';
import { nameOf, segmentsIn, type WalPath } from './scan.ts';
import { isLevelChange, parseLevelChange } from './transaction-records.ts';

/**
 * Segments whose beginning is looked at. Of 16 MiB these are 64 GiB of WAL, some seconds here and a quarter of an
 * hour for PostgreSQL.
 */
const SEGMENT_LIMIT = 4096n;
const READERS = 16;

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
  const size = BigInt(path.archive.segmentSize);
  const count = last - first < SEGMENT_LIMIT ? last - first + 1n : SEGMENT_LIMIT;
  const numbers = Array.from({ length: Number(count) }, (_, i) => first + BigInt(i));
  let found: Lsn | undefined;
  const look = async (number: bigint, each: AbortSignal) => {
    if (found !== undefined && number * size > found) return;
    const name = nameOf(path, number);
    if (!known.has(name)) known.set(name, await readStart(path, number, each));
    const lsn = known.get(name);
    if (lsn === undefined || lsn < path.range.begin || lsn >= path.range.end) return;
    if (found === undefined || lsn < found) found = lsn;
  };
  await mapParallel(numbers, READERS, look, signal);
  return found;
}

/** `WAL from LSN 0/7000098 on was written with wal_level = minimal`. */
export function describeMinimal(lsn: Lsn): string {
  return `WAL from LSN ${formatLsn(lsn)} on was written with wal_level = minimal`;
}

async function readStart(path: WalPath, number: bigint, signal: AbortSignal): Promise<Lsn | undefined> {
  let found: Lsn | undefined;
  const reader = new WalReader({
    start: number * BigInt(path.archive.segmentSize),
    segmentSize: path.archive.segmentSize,
    wants: isLevelChange,
    onRecord: (record: WalRecord) => {
      if (parseLevelChange(record) === 'minimal') found ??= record.lsn;
    },
  });
  try {
    for await (const page of path.wal.pages(nameOf(path, number), signal)) {
      reader.pushPage(page);
      break;
    }
  } catch (error) {
    // That it is damaged is told where the way is read.
    if (!isPgarcError(error, 'object-damaged')) throw error;
  }
  return found;
}
