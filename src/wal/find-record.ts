import type { Lsn } from '../postgres/lsn.ts';
import { mainData } from './main-data.ts';
import {
  isXlogRecord,
  RM_XLOG,
  XLOG_BACKUP_END,
  XLOG_CHECKPOINT_ONLINE,
  XLOG_CHECKPOINT_SHUTDOWN,
} from './record-kind.ts';
import { WalReader, type WalRecord } from './records.ts';
import { formatSegmentName, segmentAt, segmentBefore } from './segment.ts';
import type { StoredWal } from './stored-wal.ts';

/** The WAL of a timeline from one LSN to another. */
export interface WalRange {
  timeline: number;
  /** Of its segments, bytes. */
  segmentSize: number;
  begin: Lsn;
  end: Lsn;
}

/**
 * Looks through stored WAL for a record of the resource manager XLOG. Where valid WAL ends before it, or a
 * segment is missing, it is not there.
 * @returns true when `matches` was true for one
 * @throws PgarcError `object-damaged`, `store-unreachable`
 */
export async function findRecord(
  wal: StoredWal,
  { timeline, segmentSize, begin, end }: WalRange,
  matches: (record: WalRecord) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const first = segmentAt(timeline, begin, segmentSize).number;
  const last = segmentBefore(timeline, end, segmentSize).number;
  let isFound = false;
  const reader = new WalReader({
    start: first * BigInt(segmentSize),
    segmentSize,
    wants: (rmid) => rmid === RM_XLOG,
    onRecord: (record) => {
      isFound ||= matches(record);
    },
  });
  for (let number = first; number <= last; number++) {
    const expected = reader.position + segmentSize;
    for await (const page of wal.pages(formatSegmentName({ timeline, number }, segmentSize), signal)) {
      reader.pushPage(page);
      if (isFound) return true;
      if (reader.ended !== undefined || (reader.endLsn ?? 0n) >= end) return false;
    }
    if (reader.position !== expected) return false;
  }
  return false;
}

/** @returns from where a checkpoint's recovery replays WAL; undefined for any other record */
export function parseCheckpoint(record: WalRecord): Lsn | undefined {
  return firstLsn(record, XLOG_CHECKPOINT_ONLINE) ?? firstLsn(record, XLOG_CHECKPOINT_SHUTDOWN);
}

/** @returns the start of the base backup that ends with this record; undefined for any other record */
export function parseBackupEnd(record: WalRecord): Lsn | undefined {
  return firstLsn(record, XLOG_BACKUP_END);
}

/** The data of these kinds begin with the LSN, CheckPoint.redo of the one. */
function firstLsn({ rmid, info, body }: WalRecord, kind: number): Lsn | undefined {
  const data = isXlogRecord(rmid, info, kind) ? mainData(body) : undefined;
  return data === undefined || data.length < 8 ? undefined : data.readBigUInt64LE(0);
}
