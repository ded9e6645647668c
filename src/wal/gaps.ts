import type { Lsn } from '../postgres/lsn.ts';
import type { Archive } from './archive.ts';
import { type TimelineSpan, timelineSpans } from './history.ts';
import { hasSegment, type SegmentRange } from './segment-ranges.ts';

/** WAL from `begin` up to, not including, `end`. */
export interface LsnRange {
  begin: Lsn;
  end: Lsn;
}

/** Missing segments between two that are there; both ends are missing. */
export interface Gap extends SegmentRange {
  timeline: number;
}

/** The part of an archive these functions look at. */
export type Segments = Pick<Archive, 'segmentSize' | 'segments' | 'histories'>;

/** The stretches of WAL that lead to a timeline, as far as its history file tells. */
export function spansOf(archive: Segments, timeline: number): TimelineSpan[] {
  return timelineSpans(timeline, archive.histories.get(timeline) ?? []);
}

/**
 * The stored WAL along a way, merged and in order. A new timeline's first segment repeats the old one's up to
 * the switch, so either will do before the switch and only the new one after it (xlogrecovery.c,
 * XLogFileReadAnyTLI); a `.partial` is not asked for by recovery and does not count.
 */
export function coveredRanges(archive: Segments, spans: readonly TimelineSpan[]): LsnRange[] {
  const size = BigInt(archive.segmentSize);
  const pieces: LsnRange[] = [];
  for (const span of spans) {
    const firstNumber = span.begin / size;
    for (const { first, last } of archive.segments.get(span.timeline) ?? []) {
      const begin = later(first, firstNumber) * size;
      const end = earlier((last + 1n) * size, span.end);
      if (begin < end) pieces.push({ begin, end });
    }
  }
  return mergeRanges(pieces);
}

/** What is missing between the first and the last byte of stored WAL along a way. */
export function missingRanges(covered: readonly LsnRange[]): LsnRange[] {
  return covered.slice(1).map((range, i) => ({ begin: covered[i]!.end, end: range.begin }));
}

/** The segments that would fill missing WAL along a way; at a switch the newer timeline's. */
export function segmentsOf(archive: Segments, spans: readonly TimelineSpan[], missing: LsnRange): Gap[] {
  const size = BigInt(archive.segmentSize);
  return spans.flatMap((span, i) => {
    const begin = later(missing.begin, span.begin);
    const end = earlier(missing.end, span.end);
    if (begin >= end) return [];
    const first = begin / size;
    const next = spans[i + 1];
    const taken = next !== undefined && next.begin < missing.end ? next.begin / size : undefined;
    const last = taken !== undefined && (end - 1n) / size >= taken ? taken - 1n : (end - 1n) / size;
    return first <= last ? [{ timeline: span.timeline, first, last }] : [];
  });
}

/** Every gap on every timeline and between a timeline and the one it continues, by timeline and place. */
export function findGaps(archive: Segments): Gap[] {
  const found: Gap[] = [];
  for (const timeline of knownTimelines(archive)) {
    const spans = spansOf(archive, timeline);
    for (const missing of missingRanges(coveredRanges(archive, spans))) {
      found.push(...segmentsOf(archive, spans, missing));
    }
  }
  return mergeGaps(found);
}

/** Timelines of which a segment or a history file is stored, in order. */
export function knownTimelines(archive: Segments): number[] {
  return [...new Set([...archive.segments.keys(), ...archive.histories.keys()])].sort((a, b) => a - b);
}

/** From which timeline recovery along a way reads a segment; undefined when it is not stored. */
export function timelineOfSegment(
  archive: Segments,
  spans: readonly TimelineSpan[],
  number: bigint,
): number | undefined {
  const size = BigInt(archive.segmentSize);
  return spans.findLast(
    ({ timeline, begin, end }) =>
      number >= begin / size &&
      (end === undefined || number * size < end) &&
      hasSegment(archive.segments.get(timeline), number),
  )?.timeline;
}

function mergeRanges(ranges: readonly LsnRange[]): LsnRange[] {
  const merged: LsnRange[] = [];
  for (const range of ranges.toSorted((a, b) => compare(a.begin, b.begin))) {
    const previous = merged.at(-1);
    if (previous === undefined || range.begin > previous.end) merged.push({ ...range });
    else if (range.end > previous.end) previous.end = range.end;
  }
  return merged;
}

function mergeGaps(gaps: readonly Gap[]): Gap[] {
  const merged: Gap[] = [];
  for (const gap of gaps.toSorted((a, b) => a.timeline - b.timeline || compare(a.first, b.first))) {
    const previous = merged.at(-1);
    if (previous?.timeline !== gap.timeline || gap.first > previous.last + 1n) merged.push({ ...gap });
    else if (gap.last > previous.last) previous.last = gap.last;
  }
  return merged;
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function earlier(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b < a ? b : a;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
