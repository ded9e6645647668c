import { describe, expect, it } from 'vitest';
import { formatSegmentName } from '../../../src/wal/segment.ts';
import { hasSegment, RangeBuilder } from '../../../src/wal/segment-ranges.ts';

const MIB = 2 ** 20;

function build(names: string[], segmentSize: number) {
  const builder = new RangeBuilder();
  for (const name of names) builder.add(name);
  return { builder, ranges: builder.finish(segmentSize) };
}

describe('RangeBuilder', () => {
  it.each([1, 16, 64, 1024])('joins segments of %i MiB across the high part of their names', (size) => {
    const perHigh = 4096 / size;
    const numbers = [perHigh - 2, perHigh - 1, perHigh, perHigh + 2].map(BigInt);
    const names = numbers.map((number) => formatSegmentName({ timeline: 3, number }, size * MIB));
    const { ranges } = build(names, size * MIB);
    expect(ranges.get(3)).toEqual([
      { first: numbers[0], last: numbers[2] },
      { first: numbers[3], last: numbers[3] },
    ]);
  });

  it('keeps timelines apart and in order, whatever order names come in', () => {
    const { ranges } = build(
      ['0000000A0000000000000002', '000000020000000000000005', '000000020000000000000004'],
      16 * MIB,
    );
    expect([...ranges]).toEqual([
      [2, [{ first: 4n, last: 5n }]],
      [10, [{ first: 2n, last: 2n }]],
    ]);
  });

  it('counts a segment once that is stored under two extensions', () => {
    const { builder } = build(['000000010000000000000001', '000000010000000000000001'], 16 * MIB);
    expect(builder.count).toBe(1);
  });

  it('stays small for half a million segments', () => {
    const builder = new RangeBuilder();
    const before = process.memoryUsage().heapUsed;
    for (let number = 0n; number < 500_000n; number++) {
      builder.add(formatSegmentName({ timeline: 1, number }, 16 * MIB));
    }
    const ranges = builder.finish(16 * MIB).get(1);
    expect(ranges).toEqual([{ first: 0n, last: 499_999n }]);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * MIB);
  });
});

describe('hasSegment', () => {
  it('looks into ranges', () => {
    const ranges = [
      { first: 2n, last: 4n },
      { first: 8n, last: 8n },
    ];
    const there = [0n, 1n, 2n, 3n, 4n, 5n, 7n, 8n, 9n].filter((number) => hasSegment(ranges, number));
    expect(there).toEqual([2n, 3n, 4n, 8n]);
    expect(hasSegment(undefined, 1n)).toBe(false);
  });
});
