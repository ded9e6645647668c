import { isPgarcError } from '../errors.ts';
import type { Lsn } from '../postgres/lsn.ts';
import { type Gap, type LsnRange, type Segments, timelineOfSegment } from './gaps.ts';
import type { TimelineSpan } from './history.ts';
import { WalReader, type WalRecord } from './records.ts';
import { formatSegmentName } from './segment.ts';
import type { StoredWal } from './stored-wal.ts';
import type { UnixMicros } from './timestamp.ts';
import {
  isLevelChange,
  isTimedRecord,
  parseLevelChange,
  parseRestorePoint,
  parseTransactionEnd,
  type TransactionEnd,
} from './transaction-records.ts';

/** A way through stored WAL without a gap. */
export interface WalPath {
  wal: StoredWal;
  archive: Segments;
  spans: readonly TimelineSpan[];
  /** Covered by stored segments. */
  range: LsnRange;
}

/** How a way ends. */
export interface WalTail {
  /** Start of the last record: the greatest recovery_target_lsn that is reached. */
  lastLsn: Lsn | undefined;
  /** Where the next record would be written. */
  endLsn: Lsn | undefined;
  /** The latest transaction end since the way's beginning: an earlier recovery_target_time is reached. */
  lastEnd: TransactionEnd | undefined;
  /** Of the last restore point that was met on the way there. */
  lastPointTime: UnixMicros | undefined;
  /** Segments at the end that are stored but cannot be read: recovery ends before them. */
  damaged: readonly string[];
  /** Where the way ends because the server went over to wal_level = minimal, as far as it was read. */
  minimalLsn: Lsn | undefined;
}

/** How far a way was looked through. */
export interface ScanEnd {
  /** It was stopped by `visit`. */
  stopped: boolean;
  /** It ended where the server went over to wal_level = minimal. */
  minimalLsn: Lsn | undefined;
}

/**
 * Reads backwards from a way's end until a segment holds the end of a transaction. Mostly that is the last
 * one; behind a long bulk load or many quiet segments it may be far. Where one of them tells of wal_level = minimal,
 * the way ends there.
 * @throws PgarcError `store-unreachable`
 */
export async function readTail(path: WalPath, signal: AbortSignal): Promise<WalTail> {
  const { first, last } = segmentsIn(path);
  const damaged: string[] = [];
  let readable = path;
  let tail: WalTail = {
    lastLsn: undefined,
    endLsn: undefined,
    lastEnd: undefined,
    lastPointTime: undefined,
    damaged,
    minimalLsn: undefined,
  };
  for (let number = last; number >= first && tail.lastEnd === undefined; number--) {
    let lastEnd: TransactionEnd | undefined;
    let minimalLsn: Lsn | undefined;
    let { lastPointTime } = tail;
    const visit = (record: WalRecord) => {
      if (record.lsn < path.range.begin) return;
      if (parseLevelChange(record) === 'minimal') minimalLsn ??= record.lsn;
      const end = parseTransactionEnd(record);
      if (end === undefined) {
        lastPointTime = Math.max(lastPointTime ?? 0, parseRestorePoint(record)?.time ?? 0);
      } else if (lastEnd === undefined || end.time >= lastEnd.time) lastEnd = end;
    };
    try {
      const reader = await readSegment(readable, number, signal, visit);
      const { lastLsn, endLsn } = tail.lastLsn === undefined ? reader : tail;
      if (minimalLsn !== undefined) {
        const range = { begin: path.range.begin, end: minimalLsn };
        const before = await readTail({ ...path, range }, signal);
        return { ...before, minimalLsn: before.minimalLsn ?? minimalLsn };
      }
      tail = { ...tail, lastLsn, endLsn, lastEnd, lastPointTime };
    } catch (error) {
      if (!isPgarcError(error, 'object-damaged')) throw error;
      damaged.push(nameOf(path, number));
      // What lies behind the damage cannot be reached, nor the record that goes on into it.
      readable = {
        ...path,
        range: { begin: path.range.begin, end: number * BigInt(path.archive.segmentSize) },
      };
      tail = { ...tail, lastLsn: undefined, endLsn: undefined, lastPointTime: undefined };
    }
  }
  return tail;
}

/** Looks through a way's records from its beginning, as far as recovery gets; `visit` returns true to stop. */
export async function scanRecords(
  path: WalPath,
  signal: AbortSignal,
  visit: (record: WalRecord) => boolean,
): Promise<ScanEnd> {
  const { first, last } = segmentsIn(path);
  let stopped = false;
  let minimalLsn: Lsn | undefined;
  const isOver = () => stopped || minimalLsn !== undefined;
  const reader = makeReader(path, first, (record) => {
    if (isOver() || record.lsn < path.range.begin) return;
    if (parseLevelChange(record) === 'minimal') minimalLsn = record.lsn;
    else stopped = visit(record);
  });
  for (let number = first; number <= last && !isOver() && reader.ended === undefined; number++) {
    await pushSegment(path, number, reader, signal, isOver);
  }
  return { stopped, minimalLsn };
}

/** The first and the last segment of a way. */
export function segmentsIn({
  archive,
  range,
}: Pick<WalPath, 'archive' | 'range'>): Pick<Gap, 'first' | 'last'> {
  const size = BigInt(archive.segmentSize);
  return { first: range.begin / size, last: (range.end - 1n) / size };
}

/** Reads the records that begin in a segment, the last one with its rest in the next segments. */
async function readSegment(
  path: WalPath,
  number: bigint,
  signal: AbortSignal,
  onRecord: (record: WalRecord) => void,
): Promise<WalReader> {
  const reader = makeReader(path, number, onRecord);
  await pushSegment(path, number, reader, signal);
  const { last } = segmentsIn(path);
  for (let next = number + 1n; next <= last && reader.continues; next++) {
    await pushSegment(path, next, reader, signal, () => !reader.continues);
  }
  return reader;
}

function makeReader(path: WalPath, number: bigint, onRecord: (record: WalRecord) => void): WalReader {
  const { segmentSize } = path.archive;
  const start = number * BigInt(segmentSize);
  const wants = (rmid: number, info: number) => isTimedRecord(rmid, info) || isLevelChange(rmid, info);
  return new WalReader({ start, segmentSize, limit: path.range.end, wants, onRecord });
}

async function pushSegment(
  path: WalPath,
  number: bigint,
  reader: WalReader,
  signal: AbortSignal,
  enough: () => boolean = () => false,
): Promise<void> {
  const before = reader.position;
  for await (const page of path.wal.pages(nameOf(path, number), signal)) {
    reader.pushPage(page);
    if (reader.ended !== undefined || enough()) return;
    if (reader.switched) break;
  }
  // What follows a switch is padding and need not be read.
  if (reader.switched) reader.skipTo(before + path.archive.segmentSize);
}

/** Which file recovery reads a segment of the way from. */
export function nameOf({ archive, spans }: WalPath, number: bigint): string {
  const timeline = timelineOfSegment(archive, spans, number) ?? 0;
  return formatSegmentName({ timeline, number }, archive.segmentSize);
}
