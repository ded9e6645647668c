import type { Lsn } from '../postgres/lsn.ts';

/** Default of initdb --wal-segsize, bytes. */
export const DEFAULT_SEGMENT_SIZE = 16 * 1024 * 1024;

/** A WAL segment: which timeline wrote it, and its number counted from LSN 0. */
export interface Segment {
  timeline: number;
  number: bigint;
}

const SEGMENT_PATTERN = /^[0-9A-F]{24}$/;

/** True for a name of the form of a segment file (xlog_internal.h, IsXLogFileName). */
export function isSegmentName(name: string): boolean {
  return SEGMENT_PATTERN.test(name);
}

/**
 * Reads a segment file name (xlog_internal.h, XLogFromFileName).
 * @returns undefined when it is not one, or not one of that segment size (bytes)
 */
export function parseSegmentName(name: string, segmentSize: number): Segment | undefined {
  if (!isSegmentName(name)) return undefined;
  const perId = segmentsPerXlogId(segmentSize);
  const low = BigInt(`0x${name.slice(16, 24)}`);
  if (low >= perId) return undefined;
  const timeline = Number.parseInt(name.slice(0, 8), 16);
  return { timeline, number: BigInt(`0x${name.slice(8, 16)}`) * perId + low };
}

/** Writes a segment file name (xlog_internal.h, XLogFileName). */
export function formatSegmentName(segment: Segment, segmentSize: number): string {
  const perId = segmentsPerXlogId(segmentSize);
  return hex8(segment.timeline) + hex8(segment.number / perId) + hex8(segment.number % perId);
}

/** The segment that holds the byte at `lsn`. */
export function segmentAt(timeline: number, lsn: Lsn, segmentSize: number): Segment {
  return { timeline, number: lsn / BigInt(segmentSize) };
}

/**
 * The segment that holds the last byte before `lsn` (xlog_internal.h, XLByteToPrevSeg): where a backup's
 * WAL ends, whose stop LSN may be the first byte of a segment that need not exist.
 */
export function segmentBefore(timeline: number, lsn: Lsn, segmentSize: number): Segment {
  return { timeline, number: (lsn - 1n) / BigInt(segmentSize) };
}

/** LSN of the first byte of a segment. */
export function segmentStart(segment: Segment, segmentSize: number): Lsn {
  return segment.number * BigInt(segmentSize);
}

/** Eight upper-case hex digits. */
export function hex8(value: number | bigint): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

function segmentsPerXlogId(segmentSize: number): bigint {
  return 0x1_0000_0000n / BigInt(segmentSize);
}
