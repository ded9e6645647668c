import type { Lsn } from '../postgres/lsn.ts';
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

/** Resource manager of checkpoints and of the ends of backups (rmgrlist.h). */
const RM_XLOG = 0;
const RMGR_INFO = 0xf0;

/** pg_control.h. */
const XLOG_CHECKPOINT_SHUTDOWN = 0x00;
const XLOG_CHECKPOINT_ONLINE = 0x10;
const XLOG_BACKUP_END = 0x50;

/** xlogrecord.h: id of data of less than 256 bytes; its length follows. */
const ID_DATA_SHORT = 255;

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
  const kind = record.info & RMGR_INFO;
  const isCheckpoint = kind === XLOG_CHECKPOINT_ONLINE || kind === XLOG_CHECKPOINT_SHUTDOWN;
  return isCheckpoint ? firstLsn(record) : undefined;
}

/** @returns the start of the base backup that ends with this record; undefined for any other record */
export function parseBackupEnd(record: WalRecord): Lsn | undefined {
  return (record.info & RMGR_INFO) === XLOG_BACKUP_END ? firstLsn(record) : undefined;
}

/** Both records' data begin with the LSN, CheckPoint.redo of the one. */
function firstLsn({ rmid, body }: WalRecord): Lsn | undefined {
  if (rmid !== RM_XLOG || body.length < 10 || body[0] !== ID_DATA_SHORT) return undefined;
  return body.readBigUInt64LE(2);
}
