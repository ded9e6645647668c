import type { Lsn } from '../postgres/lsn.ts';
import { DEFAULT_SEGMENT_SIZE, formatSegmentName, hex8, segmentAt, segmentBefore } from '../wal/segment.ts';
import type { Backup } from './catalog.ts';

const MEBIBYTE = 1024 * 1024;

/** A place in the WAL as WAL-E tells it. */
export interface WalPlace {
  segment: string;
  /** Bytes from the segment's beginning. */
  offset: number;
}

/**
 * The size of WAL segments, bytes, that makes a backup's name fit its start LSN: one between 1 MiB and 1 GiB
 * does. 16 MiB where none does, as for a backup of WAL-E, which knew no other.
 */
export function segmentSizeOf(backup: Pick<Backup, 'name' | 'timeline' | 'startLsn'>): number {
  const [, timeline, high = '', low = ''] =
    /^base_([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})/.exec(backup.name) ?? [];
  const isNamed =
    timeline === hex8(backup.timeline) && Number(backup.startLsn >> 32n) === Number.parseInt(high, 16);
  if (!isNamed) return DEFAULT_SEGMENT_SIZE;
  const offset = Number(backup.startLsn & 0xffffffffn);
  const number = Number.parseInt(low, 16);
  for (let size = MEBIBYTE; size <= 1024 * MEBIBYTE; size *= 2) {
    if (Math.floor(offset / size) === number) return size;
  }
  return DEFAULT_SEGMENT_SIZE;
}

/** Where a backup's WAL starts. */
export function walStart(backup: Backup): WalPlace {
  const size = segmentSizeOf(backup);
  const segment = formatSegmentName(segmentAt(backup.timeline, backup.startLsn, size), size);
  return { segment, offset: offsetIn(backup.startLsn, size) };
}

/** Where a backup's WAL ends (as pg_walfile_name_offset tells it). */
export function walStop(backup: Backup): WalPlace | undefined {
  if (backup.finishLsn === undefined) return undefined;
  const size = segmentSizeOf(backup);
  const segment = formatSegmentName(segmentBefore(backup.timeline, backup.finishLsn, size), size);
  return { segment, offset: offsetIn(backup.finishLsn, size) };
}

/** Names of the segments without which a backup is not consistent. */
export function requiredSegments(backup: Backup): string[] {
  if (backup.finishLsn === undefined) return [];
  const size = segmentSizeOf(backup);
  const last = segmentBefore(backup.timeline, backup.finishLsn, size).number;
  const names: string[] = [];
  for (let { number } = segmentAt(backup.timeline, backup.startLsn, size); number <= last; number++) {
    names.push(formatSegmentName({ timeline: backup.timeline, number }, size));
  }
  return names;
}

function offsetIn(lsn: Lsn, segmentSize: number): number {
  return Number(lsn % BigInt(segmentSize));
}
