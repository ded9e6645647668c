import { describe, expect, it } from 'vitest';
import { classifyGaps } from '../../../src/wal/gap-place.ts';
import { coveredRanges, findGaps, type Segments, spansOf, timelineOfSegment } from '../../../src/wal/gaps.ts';
import type { BackupSpan } from '../../../src/wal/window.ts';

const SIZE = 16n * 2n ** 20n;

/** An archive: ranges of segment numbers by timeline, and from where each timeline continues which. */
function archive(
  segments: Record<number, [number, number][]>,
  parents: Record<number, [timeline: number, switchLsn: bigint][]> = {},
): Segments {
  return {
    segmentSize: Number(SIZE),
    segments: new Map(
      Object.entries(segments).map(([timeline, ranges]) => [
        Number(timeline),
        ranges.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) })),
      ]),
    ),
    histories: new Map(
      Object.entries(parents).map(([timeline, entries]) => [
        Number(timeline),
        entries.map(([parent, switchLsn]) => ({ timeline: parent, switchLsn, reason: '' })),
      ]),
    ),
  };
}

it('counts nothing of an ancestor behind where recovery to an earlier moment left it', () => {
  const odd = archive(
    { 1: [[1, 5]], 2: [[6, 6]], 3: [[4, 4]] },
    {
      2: [[1, 6n * SIZE]],
      3: [
        [1, 6n * SIZE],
        [2, 4n * SIZE + 500n],
      ],
    },
  );
  expect(coveredRanges(odd, spansOf(odd, 3))).toEqual([{ begin: SIZE, end: 5n * SIZE }]);
  expect(timelineOfSegment(odd, spansOf(odd, 3), 5n)).toBeUndefined();
});

function backup(name: string, timeline: number, first: number, last = first): BackupSpan {
  const finishLsn = BigInt(last) * SIZE + 500n;
  return {
    name,
    timeline,
    startLsn: BigInt(first) * SIZE + 40n,
    finishLsn,
    finishTime: new Date(0),
    usable: true,
  };
}

function gapsOf(segments: Segments): string[] {
  return findGaps(segments).map(({ timeline, first, last }) => `${timeline}: ${first}-${last}`);
}

describe('findGaps', () => {
  it('finds what is missing between the first and the last segment of a timeline', () => {
    expect(
      gapsOf(
        archive({
          1: [
            [3, 5],
            [8, 8],
            [10, 12],
          ],
        }),
      ),
    ).toEqual(['1: 6-7', '1: 9-9']);
    expect(gapsOf(archive({ 1: [[3, 5]] }))).toEqual([]);
    expect(gapsOf(archive({}))).toEqual([]);
  });

  it('takes a timeline to continue its parent where it left it', () => {
    const inside = 7n * SIZE + 0x1234n;
    // The segment of the switch is complete on the new timeline only, the usual case.
    expect(gapsOf(archive({ 1: [[3, 6]], 2: [[7, 9]] }, { 2: [[1, inside]] }))).toEqual([]);
    // The old primary went on for a while.
    expect(gapsOf(archive({ 1: [[3, 8]], 2: [[7, 9]] }, { 2: [[1, inside]] }))).toEqual([]);
    // The new timeline's own first segment is missing; the old one's copy ends at the switch.
    expect(gapsOf(archive({ 1: [[3, 8]], 2: [[8, 9]] }, { 2: [[1, inside]] }))).toEqual(['2: 7-7']);
    // The end of the old timeline never arrived.
    expect(gapsOf(archive({ 1: [[3, 4]], 2: [[7, 9]] }, { 2: [[1, inside]] }))).toEqual(['1: 5-6']);
    // Both ends of the switch are missing.
    expect(gapsOf(archive({ 1: [[3, 4]], 2: [[9, 9]] }, { 2: [[1, inside]] }))).toEqual(['1: 5-6', '2: 7-8']);
  });

  it('knows a switch at the very border of two segments', () => {
    const border = 7n * SIZE;
    expect(gapsOf(archive({ 1: [[3, 6]], 2: [[7, 9]] }, { 2: [[1, border]] }))).toEqual([]);
    expect(gapsOf(archive({ 1: [[3, 5]], 2: [[7, 9]] }, { 2: [[1, border]] }))).toEqual(['1: 6-6']);
    expect(gapsOf(archive({ 1: [[3, 7]], 2: [[8, 9]] }, { 2: [[1, border]] }))).toEqual(['2: 7-7']);
  });

  it('does not take a timeline without a history file to continue anything', () => {
    expect(gapsOf(archive({ 1: [[3, 4]], 2: [[9, 10]] }))).toEqual([]);
  });

  it('names a gap once that several timelines share', () => {
    const parents = {
      2: [[1, 20n * SIZE + 8n]],
      3: [
        [1, 20n * SIZE + 8n],
        [2, 25n * SIZE + 8n],
      ],
    } as Record<number, [number, bigint][]>;
    const segments = archive(
      {
        1: [
          [3, 5],
          [8, 20],
        ],
        2: [[20, 25]],
        3: [[25, 30]],
      },
      parents,
    );
    expect(gapsOf(segments)).toEqual(['1: 6-7']);
  });
});

describe('coveredRanges', () => {
  it('leaves out what an ancestor wrote after it was left', () => {
    const inside = 7n * SIZE + 0x1234n;
    const segments = archive({ 1: [[3, 30]] }, { 2: [[1, inside]] });
    expect(coveredRanges(segments, spansOf(segments, 2))).toEqual([{ begin: 3n * SIZE, end: inside }]);
  });
});

describe('timelineOfSegment', () => {
  it('prefers the newest timeline that has it', () => {
    const segments = archive({ 1: [[3, 9]], 2: [[7, 8]] }, { 2: [[1, 7n * SIZE + 8n]] });
    const spans = spansOf(segments, 2);
    expect([3n, 6n, 7n, 8n, 9n].map((number) => timelineOfSegment(segments, spans, number))).toEqual([
      1,
      1,
      2,
      2,
      undefined,
    ]);
  });
});

describe('classifyGaps', () => {
  function places(segments: Segments, current: number, backups: BackupSpan[]): string[] {
    const gaps = findGaps(segments);
    return classifyGaps(segments, spansOf(segments, current), backups, gaps).map((gap) => gap.place);
  }

  it('finds a gap behind the oldest backup inside the window', () => {
    const segments = archive({
      1: [
        [3, 5],
        [8, 20],
      ],
    });
    expect(places(segments, 1, [backup('a', 1, 4)])).toEqual(['window']);
    expect(places(segments, 1, [backup('a', 1, 4), backup('b', 1, 10)])).toEqual(['window']);
  });

  it('finds a gap inside what a backup needs', () => {
    expect(
      places(
        archive({
          1: [
            [3, 5],
            [8, 20],
          ],
        }),
        1,
        [backup('a', 1, 4, 9)],
      ),
    ).toEqual(['window']);
    expect(
      places(
        archive({
          1: [
            [3, 5],
            [8, 20],
          ],
        }),
        1,
        [backup('a', 1, 6, 9)],
      ),
    ).toEqual(['window']);
  });

  it('only notes a gap that no backup needs', () => {
    expect(
      places(
        archive({
          1: [
            [3, 5],
            [8, 20],
          ],
        }),
        1,
        [backup('a', 1, 8)],
      ),
    ).toEqual(['before']);
    expect(
      places(
        archive({
          1: [
            [3, 5],
            [8, 20],
          ],
        }),
        1,
        [],
      ),
    ).toEqual(['before']);
  });

  it('knows what retention leaves between two backups', () => {
    const kept = archive({
      1: [
        [3, 4],
        [10, 20],
      ],
    });
    expect(places(kept, 1, [backup('a', 1, 3, 4), backup('b', 1, 10)])).toEqual(['trimmed']);
    expect(places(kept, 1, [backup('a', 1, 3, 4), backup('b', 1, 11)])).toEqual(['window']);
  });

  it('only notes a gap on a branch that was left', () => {
    const segments = archive(
      {
        1: [
          [3, 8],
          [12, 14],
        ],
        2: [[7, 9]],
      },
      { 2: [[1, 7n * SIZE + 8n]] },
    );
    expect(places(segments, 2, [backup('a', 1, 3)])).toEqual(['branch']);
    expect(places(segments, 1, [backup('a', 1, 3)])).toEqual(['window']);
  });
});
