/** Consecutive segments of one timeline, counted from LSN 0; both ends belong to it. */
export interface SegmentRange {
  first: bigint;
  last: bigint;
}

/**
 * Gathers segment names into ranges. Names carry the segment number in two parts whose meaning depends on
 * the segment size, which may not be known yet, so ranges stay within one high part until `finish`.
 */
export class RangeBuilder {
  count = 0;
  /** Highest low part seen: less than 2^32 / segment size. */
  highestLow = 0;
  readonly #timelines = new Map<number, RawRange[]>();

  /** @param name a segment's name; names in order make this cheap, but any order will do */
  add(name: string): void {
    const timeline = Number.parseInt(name.slice(0, 8), 16);
    const high = Number.parseInt(name.slice(8, 16), 16);
    const low = Number.parseInt(name.slice(16, 24), 16);
    if (low > this.highestLow) this.highestLow = low;
    const ranges = this.#timelines.get(timeline) ?? [];
    if (ranges.length === 0) this.#timelines.set(timeline, ranges);
    const last = ranges.at(-1);
    // The same segment stored under two extensions.
    if (last?.high === high && last.to === low) return;
    this.count++;
    if (last?.high === high && last.to + 1 === low) last.to = low;
    else ranges.push({ high, from: low, to: low });
  }

  /** @returns disjoint ranges in order, by timeline in order; names that fit no segment of that size are left out */
  finish(segmentSize: number): Map<number, SegmentRange[]> {
    const perHigh = 2 ** 32 / segmentSize;
    const timelines = [...this.#timelines].sort(([a], [b]) => a - b);
    return new Map(timelines.map(([timeline, raw]) => [timeline, mergeRanges(raw, perHigh)]));
  }
}

interface RawRange {
  high: number;
  from: number;
  to: number;
}

function mergeRanges(raw: readonly RawRange[], perHigh: number): SegmentRange[] {
  const merged: SegmentRange[] = [];
  for (const { high, from, to } of raw.toSorted((a, b) => a.high - b.high || a.from - b.from)) {
    if (from >= perHigh) continue;
    const first = BigInt(high) * BigInt(perHigh) + BigInt(from);
    const last = first + BigInt(Math.min(to, perHigh - 1) - from);
    const previous = merged.at(-1);
    if (previous === undefined || first > previous.last + 1n) merged.push({ first, last });
    else if (last > previous.last) previous.last = last;
  }
  return merged;
}

/** True when one of the ranges, which are in order, holds that segment. */
export function hasSegment(ranges: readonly SegmentRange[] | undefined, number: bigint): boolean {
  if (ranges === undefined) return false;
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle]!;
    if (number < range.first) high = middle - 1;
    else if (number > range.last) low = middle + 1;
    else return true;
  }
  return false;
}
