import type { Lsn } from '../postgres/lsn.ts';
import { mainData } from './main-data.ts';
import { isXlogRecord, XLOG_PARAMETER_CHANGE, XLOG_RESTORE_POINT } from './record-kind.ts';
import type { WalRecord } from './records.ts';
import { fromTimestampTz, type UnixMicros } from './timestamp.ts';

/** A transaction that ended: recovery_target_time and recovery_target_xid stop at these only. */
export interface TransactionEnd {
  kind: 'commit' | 'abort';
  lsn: Lsn;
  endLsn: Lsn;
  /** Top-level transaction; of a prepared one its own, not that of COMMIT PREPARED. */
  xid: number;
  time: UnixMicros;
}

/** pg_create_restore_point(). */
export interface RestorePoint {
  lsn: Lsn;
  endLsn: Lsn;
  name: string;
  time: UnixMicros;
}

// rmgrlist.h, xact.h
const RM_XACT = 1;
const XACT_OPMASK = 0x70;
const XACT_COMMIT = 0x00;
const XACT_ABORT = 0x20;
const XACT_COMMIT_PREPARED = 0x30;
const XACT_ABORT_PREPARED = 0x40;
const XACT_HAS_INFO = 0x80;

/** Flags of xl_xact_xinfo, in the order in which their parts follow each other. */
const HAS_DATABASE = 1 << 0;
const HAS_SUBXACTS = 1 << 1;
const HAS_RELATIONS = 1 << 2;
const HAS_INVALIDATIONS = 1 << 3;
const HAS_TWOPHASE = 1 << 4;
const HAS_DROPPED_STATS = 1 << 8;

/** xl_parameter_change (xlog_internal.h), the same from 13 to 18: five numbers of 32 bits come before. */
const WAL_LEVEL_AT = 20;
const WAL_LEVEL_MINIMAL = 0;

const RELATION_SIZE = 12;
const INVALIDATION_SIZE = 16;
/** xl_xact_stats_item: its object id has 64 bits since 18. */
const STATS_ITEM_SIZE = 12;
const STATS_ITEM_SIZE_18 = 16;
const MAGIC_18 = 0xd118;

/** True for commits, aborts and restore points. */
export function isTimedRecord(rmid: number, info: number): boolean {
  if (rmid === RM_XACT) return endKind(info) !== undefined;
  return isXlogRecord(rmid, info, XLOG_RESTORE_POINT);
}

/** Reads a commit or abort (xactdesc.c, ParseCommitRecord). @returns undefined for any other record */
export function parseTransactionEnd(record: WalRecord): TransactionEnd | undefined {
  if (record.rmid !== RM_XACT) return undefined;
  const kind = endKind(record.info);
  const data = mainData(record.body);
  if (kind === undefined || data === undefined || data.length < 8) return undefined;
  const operation = record.info & XACT_OPMASK;
  const prepared = operation === XACT_COMMIT_PREPARED || operation === XACT_ABORT_PREPARED;
  const xid = prepared ? (preparedXid(record, data) ?? record.xid) : record.xid;
  const time = fromTimestampTz(data.readBigInt64LE(0));
  return { kind, lsn: record.lsn, endLsn: record.endLsn, xid, time };
}

/** Reads a restore point (xlog_internal.h, xl_restore_point). @returns undefined for any other record */
export function parseRestorePoint(record: WalRecord): RestorePoint | undefined {
  if (!isXlogRecord(record.rmid, record.info, XLOG_RESTORE_POINT)) return undefined;
  const data = mainData(record.body);
  if (data === undefined || data.length < 9) return undefined;
  const end = data.indexOf(0, 8);
  const name = data.toString('utf8', 8, end === -1 ? data.length : end);
  return { lsn: record.lsn, endLsn: record.endLsn, name, time: fromTimestampTz(data.readBigInt64LE(0)) };
}

/** True for a change of the settings that a standby must know, wal_level among them. */
export function isLevelChange(rmid: number, info: number): boolean {
  return isXlogRecord(rmid, info, XLOG_PARAMETER_CHANGE);
}

/** Reads with which wal_level the WAL behind it is written. @returns undefined for any other record */
export function parseLevelChange({ rmid, info, body }: WalRecord): 'minimal' | 'replica' | undefined {
  const data = isLevelChange(rmid, info) ? mainData(body) : undefined;
  if (data === undefined || data.length < WAL_LEVEL_AT + 4) return undefined;
  return data.readInt32LE(WAL_LEVEL_AT) === WAL_LEVEL_MINIMAL ? 'minimal' : 'replica';
}

function endKind(info: number): 'commit' | 'abort' | undefined {
  const operation = info & XACT_OPMASK;
  if (operation === XACT_COMMIT || operation === XACT_COMMIT_PREPARED) return 'commit';
  if (operation === XACT_ABORT || operation === XACT_ABORT_PREPARED) return 'abort';
  return undefined;
}

function preparedXid(record: WalRecord, data: Buffer): number | undefined {
  if (!(record.info & XACT_HAS_INFO) || data.length < 12) return undefined;
  const flags = data.readUInt32LE(8);
  if (!(flags & HAS_TWOPHASE)) return undefined;
  const statsItem = record.magic >= MAGIC_18 ? STATS_ITEM_SIZE_18 : STATS_ITEM_SIZE;
  let at = 12 + (flags & HAS_DATABASE ? 8 : 0);
  for (const [flag, size] of [
    [HAS_SUBXACTS, 4],
    [HAS_RELATIONS, RELATION_SIZE],
    [HAS_DROPPED_STATS, statsItem],
    [HAS_INVALIDATIONS, INVALIDATION_SIZE],
  ] as const) {
    if (flags & flag && at + 4 <= data.length) at += 4 + data.readInt32LE(at) * size;
  }
  return at >= 12 && at + 4 <= data.length ? data.readUInt32LE(at) : undefined;
}
