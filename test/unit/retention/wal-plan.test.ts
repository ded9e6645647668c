import { describe, expect, it } from 'vitest';
import type { Backup } from '../../../src/backup/catalog.ts';
import { decide } from '../../../src/retention/policy.ts';
import type { RetentionRules } from '../../../src/retention/rules.ts';
import { WalFiles } from '../../../src/retention/wal-files.ts';
import { planWal } from '../../../src/retention/wal-plan.ts';
import { walKey } from '../../../src/wal/keys.ts';
import { formatSegmentName } from '../../../src/wal/segment.ts';
import { backup, daysAgo, type Given, history, NOW, rules } from './fixture.ts';

const SIZE = 16 * 2 ** 20;

/** A backup under its right name. */
function made(given: Given): Backup {
  const segment = formatSegmentName({ timeline: given.timeline ?? 1, number: BigInt(given.at) }, SIZE);
  return backup(`base_${segment}`, given);
}

interface Archived {
  /** First and last stored segment of each timeline. */
  segments: Record<number, [number, number]>;
  stored?: Record<number, number>;
  histories?: ReturnType<typeof history>[];
  running?: string[];
  segmentSize?: number;
  /** Days before NOW when a segment of timeline 1 was stored. */
  dated?: [segment: number, days: number][];
}

function plan(backups: readonly Backup[], given: RetentionRules, archived: Archived) {
  const {
    segments,
    stored = { 1: 0 },
    histories = [],
    running = [],
    segmentSize = SIZE,
    dated = [],
  } = archived;
  const wal = new WalFiles();
  for (const [at, days] of dated) {
    const key = walKey(formatSegmentName({ timeline: 1, number: BigInt(at) }, SIZE), 'lz4');
    wal.add({ key, size: 1, modified: daysAgo(days) });
  }
  const archive = {
    segmentSize,
    histories: new Map(histories),
    segments: new Map(
      Object.entries(segments).map(([id, [first, last]]) => [
        Number(id),
        [{ first: BigInt(first), last: BigInt(last) }],
      ]),
    ),
  };
  const storedUntil = new Map(Object.entries(stored).map(([id, days]) => [Number(id), daysAgo(days)]));
  const policy = decide(
    { backups, histories: archive.histories, storedUntil, withoutWal: new Set(), now: NOW },
    given,
  );
  const kept = policy.decisions.filter(({ keep }) => keep).map((decision) => decision.backup);
  return planWal({ archive, wal, policy, backups, kept, running });
}

function dropsOf(...args: Parameters<typeof plan>): string[] {
  return plan(...args).drops.map(({ timeline, first, last }) => `${timeline}: ${first}-${last}`);
}

describe('planWal', () => {
  const three = [
    made({ ended: 30, at: 100, permanent: true }),
    made({ ended: 9, at: 200 }),
    made({ ended: 1, at: 300 }),
  ];

  it('keeps all from the anchor on, and start to stop of older backups', () => {
    const drops = dropsOf(three, rules({ window: 7 }), { segments: { 1: [2, 400] } });
    expect(drops).toEqual(['1: 2-99', '1: 101-199']);
  });

  it('keeps all from the oldest backup a rule keeps where there is no window', () => {
    expect(dropsOf(three, rules({ full: 2 }), { segments: { 1: [2, 400] } })).toEqual([
      '1: 2-99',
      '1: 101-199',
    ]);
    expect(dropsOf(three, rules({ monthly: 5 }), { segments: { 1: [2, 400] } })).toEqual(['1: 2-99']);
  });

  it('goes along the history of timelines, not by their numbers', () => {
    const backups = [made({ ended: 9, at: 40 }), made({ ended: 1, at: 70, timeline: 2 })];
    const drops = dropsOf(backups, rules({ window: 7 }), {
      segments: { 1: [2, 55], 2: [50, 90], 3: [20, 30] },
      stored: { 1: 8, 2: 0, 3: 20 },
      histories: [history(2, [1, 50]), history(3, [1, 20])],
    });
    // Timeline 1 behind the switch was written until a day before the window: it may be wanted.
    expect(drops).toEqual(['1: 2-39', '3: 20-30']);
  });

  it('keeps nothing on one way for a backup that leads to another only', () => {
    const backups = [made({ ended: 20, at: 40 }), made({ ended: 1, at: 90, timeline: 4 })];
    const drops = dropsOf(backups, rules({ full: 1 }), {
      segments: { 1: [2, 50], 2: [20, 80], 4: [80, 95] },
      stored: { 1: 15, 2: 5, 3: 0, 4: 0 },
      // Of timeline 3 there is no segment yet.
      histories: [history(2, [1, 20]), history(3, [1, 45]), history(4, [1, 20], [2, 80])],
    });
    expect(drops).toEqual(['1: 2-39', '2: 20-80', '4: 80-89']);
  });

  it('keeps the WAL of a backup that is being made, which began before the newest', () => {
    const running = [`base_${formatSegmentName({ timeline: 1, number: 150n }, SIZE)}`];
    const result = plan(three, rules({ full: 1 }), { segments: { 1: [2, 400] }, running });
    expect(result.drops.map(({ first, last }) => `${first}-${last}`)).toEqual(['2-99', '101-149']);
    expect(result.notes.join()).toContain('is being made');
  });

  it('drops nothing when a name under pgarc/running tells no place', () => {
    const result = plan(three, rules({ full: 1 }), { segments: { 1: [2, 400] }, running: ['x'] });
    expect(result.drops).toEqual([]);
    expect(result.notes).toEqual(['x is being made, and its WAL is not known: no WAL is dropped']);
  });

  it('keeps the WAL of a damaged backup that was stored before its sentinel, whatever follows it', () => {
    const damaged = made({ ended: 20, at: 110, usable: false });
    const dated = [20.2, 20.1, 20, 19.9, 1].map((days, i): [number, number] => [109 + i, days]);
    for (const newer of [three, three.filter(({ permanent }) => !permanent)]) {
      const result = plan([...newer, damaged], rules({ full: 1 }), { segments: { 1: [105, 400] }, dated });
      expect(result.drops.map(({ first, last }) => `${first}-${last}`)).toEqual(['105-109', '112-299']);
      expect(result.notes).toEqual([
        `${damaged.name} is damaged: of its WAL 00000001000000000000006E to 00000001000000000000006F stays, which was stored before its sentinel`,
      ]);
    }
  });

  it('keeps the first segment of a damaged backup when nobody knows how far it came', () => {
    const damaged = made({ ended: 20, at: 150, usable: false });
    expect(dropsOf([...three, damaged], rules({ full: 1 }), { segments: { 1: [2, 400] } })).toEqual([
      '1: 2-99',
      '1: 101-149',
      '1: 151-299',
    ]);
  });

  it('keeps all WAL of a timeline whose history file is gone', () => {
    const result = plan(three, rules({ full: 1 }), {
      segments: { 1: [2, 400], 4: [10, 20] },
      stored: { 1: 0, 4: 90 },
    });
    expect(result.drops.every(({ timeline }) => timeline === 1)).toBe(true);
    expect(result.notes).toEqual(['the WAL of timeline 4 stays: its history file is missing']);
  });

  it('drops no WAL when a backup was made with another segment size', () => {
    const result = plan(three, rules({ full: 1 }), { segments: { 1: [2, 400] }, segmentSize: 2 ** 26 });
    expect(result.drops).toEqual([]);
    expect(result.notes.join()).toContain('does not fit WAL segments of 64 MiB');
  });

  it('lets .partial and .backup files go with the segment they are named after, stored or not', () => {
    const { isDropped } = plan(three, rules({ window: 7 }), { segments: { 1: [50, 400] } });
    expect([2n, 99n, 100n, 101n, 199n, 200n, 10_000n].filter((number) => isDropped(1, number))).toEqual([
      2n,
      99n,
      101n,
      199n,
    ]);
  });
});
