import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import { findRecord, parseBackupEnd, parseCheckpoint } from '../wal/find-record.ts';
import { formatSegmentName, segmentAt, segmentBefore } from '../wal/segment.ts';
import { StoredWal } from '../wal/stored-wal.ts';

/** The WAL of a base backup, as its label and its stop tell it. */
export interface BackupWal {
  timeline: number;
  /** Bytes. */
  segmentSize: number;
  startLsn: Lsn;
  /** Of the checkpoint record with which recovery begins. */
  checkpointLsn: Lsn;
  stopLsn: Lsn;
  fromStandby: boolean;
}

/** A segment that lacks what the backup's server wrote there. */
export interface WrongSegment {
  /** Its name. */
  segment: string;
  /** What it lacks. */
  reason: string;
}

/** More than the record of a backup's end takes with a page header inside, bytes: it may begin in the segment before. */
const NEAR = 256n;

/**
 * Looks in the archive for the records that recovery from a backup needs at their places, and that another
 * server's WAL, also that of a copy of the cluster, has elsewhere: the checkpoint of the backup's start, and
 * the end of a backup that a primary took.
 * @returns undefined when they are there
 * @throws PgarcError `object-damaged`, `store-unreachable`
 */
export async function findWrongSegment(
  store: ObjectStore,
  wanted: BackupWal,
  signal: AbortSignal,
): Promise<WrongSegment | undefined> {
  const { timeline, segmentSize, startLsn, checkpointLsn, stopLsn } = wanted;
  const wal = new StoredWal(store);
  const around = { timeline, segmentSize, end: stopLsn };
  const hasCheckpoint = await findRecord(
    wal,
    { ...around, begin: checkpointLsn },
    (record) => record.lsn === checkpointLsn && parseCheckpoint(record) === startLsn,
    signal,
  );
  if (!hasCheckpoint) {
    return {
      segment: formatSegmentName(segmentAt(timeline, checkpointLsn, segmentSize), segmentSize),
      reason: `has no checkpoint record at ${formatLsn(checkpointLsn)}, where the backup begins`,
    };
  }
  // A standby writes no record.
  if (wanted.fromStandby) return undefined;
  const before = stopLsn - NEAR;
  const hasEnd = await findRecord(
    wal,
    { ...around, begin: before > startLsn ? before : startLsn },
    (record) => record.endLsn === stopLsn && parseBackupEnd(record) === startLsn,
    signal,
  );
  if (hasEnd) return undefined;
  return {
    segment: formatSegmentName(segmentBefore(timeline, stopLsn, segmentSize), segmentSize),
    reason: `has no record of the backup's end at ${formatLsn(stopLsn)}`,
  };
}
