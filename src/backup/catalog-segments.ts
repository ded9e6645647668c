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

type Named = Pick<Backup, 'name' | 'timeline' | 'startLsn'>;

/**
 * The sizes of WAL segments, bytes, that make a backup's name fit its start LSN: one, but for a name that ends in
 * eight zeros, which all from one size on up to 1 GiB fit. None for a name of another form.
 */
export function fittingSegmentSizes(backup: Named): number[] {
  const [, timeline, high = '', low = ''] =
    /^base_([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})/.exec(backup.name) ?? [];
  const isNamed =
    timeline === hex8(backup.timeline) && Number(backup.startLsn >> 32n) === Number.parseInt(high, 16);
  if (!isNamed) return [];
  const offset = Number(backup.startLsn & 0xffffffffn);
  const number = Number.parseInt(low, 16);
  const sizes: number[] = [];
  for (let size = MEBIBYTE; size <= 1024 * MEBIBYTE; size *= 2) {
    if (Math.floor(offset / size) === number) sizes.push(size);
  }
  return sizes;
}

/**
 * The size of WAL segments, bytes, that a backup's name tells. Where it leaves several, `likely` when that is among
 * them, else 16 MiB, else the smallest; 16 MiB where none fits, as for a backup of WAL-E, which knew no other.
 */
export function segmentSizeOf(backup: Named, likely = DEFAULT_SEGMENT_SIZE): number {
  const sizes = fittingSegmentSizes(backup);
  return (
    [likely, DEFAULT_SEGMENT_SIZE].find((size) => sizes.includes(size)) ?? sizes[0] ?? DEFAULT_SEGMENT_SIZE
  );
}

/** The size of WAL segments, bytes, of the last backup whose name leaves only one; 16 MiB where there is none. */
export function likelySegmentSize(backups: readonly Named[]): number {
  return (
    backups.map(fittingSegmentSizes).findLast((sizes) => sizes.length === 1)?.[0] ?? DEFAULT_SEGMENT_SIZE
  );
}

/** Where a backup's WAL starts. */
export function walStart(backup: Backup): WalPlace {
  const size = segmentSizeOf(backup);
  const segment = formatSegmentName(segmentAt(backup.timeline, backup.startLsn, size), size);
  return { segment, offset: offsetIn(backup.startLsn, size) };
}

/** Where a backup's WAL ends (as pg_walfile_name_offset tells it). @param likely as of `segmentSizeOf` */
export function walStop(backup: Backup, likely?: number): WalPlace | undefined {
  if (backup.finishLsn === undefined) return undefined;
  const size = segmentSizeOf(backup, likely);
  const segment = formatSegmentName(segmentBefore(backup.timeline, backup.finishLsn, size), size);
  return { segment, offset: offsetIn(backup.finishLsn, size) };
}

/** Names of the segments without which a backup is not consistent. @param likely as of `segmentSizeOf` */
export function requiredSegments(backup: Backup, likely?: number): string[] {
  if (backup.finishLsn === undefined) return [];
  const size = segmentSizeOf(backup, likely);
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
