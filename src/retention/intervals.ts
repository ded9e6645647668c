import type { SegmentRange } from '../wal/segment-ranges.ts';

/** Number of no segment: larger than all. */
export const OPEN = 2n ** 64n;

/** The same segments as disjoint ranges in order. */
export function cover(ranges: readonly SegmentRange[]): SegmentRange[] {
  const merged: SegmentRange[] = [];
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const previous = merged.at(-1);
    if (previous === undefined || range.first > previous.last + 1n)
      merged.push({ first: range.first, last: range.last });
    else if (range.last > previous.last) previous.last = range.last;
  }
  return merged;
}

/** What is in `ranges` and not in `taken`; both are disjoint and in order, and so is the result. */
export function subtract(ranges: readonly SegmentRange[], taken: readonly SegmentRange[]): SegmentRange[] {
  const left: SegmentRange[] = [];
  let at = 0;
  for (const { first, last } of ranges) {
    let begin = first;
    while (at < taken.length && taken[at]!.last < begin) at++;
    for (let i = at; i < taken.length && taken[i]!.first <= last && begin <= last; i++) {
      if (taken[i]!.first > begin) left.push({ first: begin, last: taken[i]!.first - 1n });
      begin = taken[i]!.last + 1n;
    }
    if (begin <= last) left.push({ first: begin, last });
  }
  return left;
}
