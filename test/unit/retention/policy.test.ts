import { describe, expect, it } from 'vitest';
import type { Backup } from '../../../src/backup/catalog.ts';
import type { RetentionRules } from '../../../src/retention/rules.ts';
import { backup, history, judge, rules, type World } from './fixture.ts';

interface Case {
  when: string;
  backups: Backup[];
  rules: RetentionRules | undefined;
  world?: World;
  outcome: Record<string, string>;
}

/** One full backup a day at noon, named by its age in days, each ten segments after the one before. */
function daily(...ages: number[]): Backup[] {
  return ages.map((age) => backup(`d${age}`, { ended: age, at: 1000 - 10 * age }));
}

const windows: Case[] = [
  {
    when: 'the window begins between two backups: the older one is its anchor',
    backups: daily(9, 8, 6, 1),
    rules: rules({ window: 7 }),
    outcome: { d9: 'drop', d8: 'anchor of the window', d6: 'window 7d', d1: 'newest, window 7d' },
  },
  {
    when: 'a backup ended at the very start of the window: it is the anchor',
    backups: daily(8, 7, 1),
    rules: rules({ window: 7 }),
    outcome: { d8: 'drop', d7: 'anchor of the window', d1: 'newest, window 7d' },
  },
  {
    when: 'all backups are older than the window: the newest is the anchor',
    backups: daily(30, 20),
    rules: rules({ window: 7 }),
    world: { stored: { 1: 15 } },
    outcome: { d30: 'drop', d20: 'newest, anchor of the window' },
  },
  {
    when: 'all backups are younger than the window: there is no anchor yet',
    backups: daily(2, 1),
    rules: rules({ window: 7 }),
    outcome: { d2: 'window 7d', d1: 'newest, window 7d' },
  },
  {
    when: 'the window is written in hours',
    backups: daily(2, 1, 0),
    rules: rules({ window: 1.5 }),
    outcome: { d2: 'anchor of the window', d1: 'window 36h', d0: 'newest, window 36h' },
  },
  {
    when: 'two backups ended at the same moment before the window: the later WAL is the anchor',
    backups: [
      backup('a', { ended: 8, at: 10 }),
      backup('b', { ended: 8, at: 20 }),
      backup('c', { ended: 1, at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { a: 'drop', b: 'anchor of the window', c: 'newest, window 7d' },
  },
  {
    when: 'the clock was set back after a backup: the one that continues it counts as no older',
    backups: [
      backup('old', { ended: 20, at: 10 }),
      backup('fast clock', { ended: 5, at: 20 }),
      backup('true clock', { ended: 9, at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: {
      old: 'anchor of the window',
      'fast clock': 'newest, window 7d',
      'true clock': 'newest, window 7d',
    },
  },
  {
    when: 'a finish time lies in the future: it is taken for that of the next backup',
    backups: [
      backup('old', { ended: 30, at: 10 }),
      backup('future', { ended: -1000, at: 20 }),
      backup('next', { ended: 10, at: 30 }),
      backup('last', { ended: 1, at: 40 }),
    ],
    rules: rules({ window: 7 }),
    // LATEST chooses it as long as it is there.
    outcome: { old: 'drop', next: 'anchor of the window', last: 'newest, window 7d', future: 'newest' },
  },
  {
    when: 'the newest finish time lies in the future: it counts as now',
    backups: [backup('a', { ended: 9, at: 10 }), backup('b', { ended: -2, at: 20 })],
    rules: rules({ window: 7 }),
    outcome: { a: 'anchor of the window', b: 'newest, window 7d' },
  },
  {
    when: 'a clock was slow, as the store shows: what may have ended in the window is no anchor',
    backups: [
      backup('true clock', { ended: 40, stored: 40, at: 10 }),
      backup('slow clock', { ended: 30, stored: 1, at: 20 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { 'true clock': 'anchor of the window', 'slow clock': 'newest, window 7d' },
  },
  {
    when: 'one old sentinel was stored anew: it ended before the next one that continues it',
    backups: [
      backup('a', { ended: 40, stored: 40, at: 10 }),
      backup('b', { ended: 30, stored: 1, at: 20 }),
      backup('c', { ended: 20, stored: 20, at: 30 }),
      backup('d', { ended: 2, stored: 2, at: 40 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { a: 'drop', b: 'drop', c: 'anchor of the window', d: 'newest, window 7d' },
  },
  {
    when: 'the whole archive was copied in the window: all that it held stays until the window has passed it',
    backups: [
      backup('a', { ended: 40, stored: 3, at: 10 }),
      backup('b', { ended: 30, stored: 3, at: 20 }),
      backup('c', { ended: 1, stored: 1, at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { a: 'window 7d', b: 'window 7d', c: 'newest, window 7d' },
  },
  {
    when: 'the whole archive was copied before the window',
    backups: [
      backup('a', { ended: 40, stored: 8, at: 10 }),
      backup('b', { ended: 30, stored: 8, at: 20 }),
      backup('c', { ended: 1, stored: 1, at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { a: 'drop', b: 'anchor of the window', c: 'newest, window 7d' },
  },
  {
    when: 'the clock stood at 1970 for one backup',
    backups: [
      backup('a', { ended: 9, at: 10 }),
      backup('b', { ended: 2, at: 20 }),
      backup('c', { ended: '1970-01-02T00:00:00Z', at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: { a: 'anchor of the window', b: 'newest, window 7d', c: 'newest, window 7d' },
  },
  {
    when: 'the newest before the window lost WAL: it is no anchor, the one before is',
    backups: daily(9, 8, 1),
    rules: rules({ window: 7 }),
    world: { withoutWal: new Set(['d8']) },
    outcome: { d9: 'anchor of the window', d8: 'some of its WAL is missing', d1: 'newest, window 7d' },
  },
];

const counts: Case[] = [
  {
    when: 'there is no rule: everything stays',
    backups: daily(900, 1),
    rules: undefined,
    outcome: { d900: 'no rule is set', d1: 'no rule is set' },
  },
  { when: 'there is no backup', backups: [], rules: rules({ full: 1 }), outcome: {} },
  {
    when: 'there is one backup',
    backups: daily(900),
    rules: rules({ window: 1 }),
    outcome: { d900: 'newest, anchor of the window' },
  },
  {
    when: 'keep-full 2',
    backups: daily(4, 3, 2, 1),
    rules: rules({ full: 2 }),
    outcome: { d4: 'drop', d3: 'drop', d2: 'keep-full', d1: 'newest, keep-full' },
  },
  {
    when: 'keep-full asks for more than there are',
    backups: daily(2, 1),
    rules: rules({ full: 5 }),
    outcome: { d2: 'keep-full', d1: 'newest, keep-full' },
  },
  {
    when: 'finish times are equal: the order is that of the WAL',
    backups: [backup('z', { ended: 1, at: 10 }), backup('a', { ended: 1, at: 20 })],
    rules: rules({ full: 1 }),
    outcome: { z: 'drop', a: 'newest, keep-full' },
  },
  {
    when: 'finish times and places are equal: the order is that of the names, and one stays',
    backups: [backup('b', { ended: 1, at: 10 }), backup('a', { ended: 1, at: 10 })],
    rules: rules({ full: 1 }),
    outcome: { a: 'drop', b: 'newest, keep-full' },
  },
  {
    when: 'the clock was set back: keep-full goes by the WAL, and LATEST stays too',
    backups: [
      backup('a', { ended: 3, at: 10 }),
      backup('b', { ended: 1, at: 20 }),
      backup('c', { ended: 2, at: 30 }),
    ],
    rules: rules({ full: 1 }),
    outcome: { a: 'drop', c: 'newest, keep-full', b: 'newest' },
  },
  {
    when: 'permanent ones stay beside those that are counted',
    backups: [backup('p', { ended: 400, at: 10, permanent: true }), ...daily(3, 2, 1)],
    rules: rules({ full: 1 }),
    outcome: { p: 'permanent', d3: 'drop', d2: 'drop', d1: 'newest, keep-full' },
  },
  {
    when: 'a permanent one that a rule keeps as well counts for the rule',
    backups: [backup('p', { ended: 1, at: 1000, permanent: true }), ...daily(3, 2)],
    rules: rules({ full: 1 }),
    outcome: { d3: 'drop', d2: 'drop', p: 'newest, keep-full, permanent' },
  },
  {
    when: 'rules are OR-ed, and all reasons are told',
    backups: daily(40, 9, 8, 1),
    rules: rules({ full: 1, window: 7, monthly: 2 }),
    outcome: {
      d40: 'monthly 2026-10',
      d9: 'drop',
      d8: 'anchor of the window',
      d1: 'newest, window 7d, keep-full, monthly 2026-11',
    },
  },
];

const at = (name: string, ended: string, place: number) => backup(name, { ended, at: place });

const calendars: Case[] = [
  {
    when: 'keep-daily keeps the last of each day that has one',
    backups: [
      at('a', '2026-11-19T23:59:59Z', 10),
      at('b', '2026-11-20T01:00:00Z', 20),
      at('c', '2026-11-20T22:00:00Z', 30),
      at('d', '2026-11-21T03:00:00Z', 40),
    ],
    rules: rules({ daily: 2 }),
    outcome: { a: 'drop', b: 'drop', c: 'daily 2026-11-20', d: 'newest, daily 2026-11-21' },
  },
  {
    when: 'days without a backup are not counted',
    backups: daily(300, 200, 1),
    rules: rules({ daily: 2 }),
    outcome: { d300: 'drop', d200: 'daily 2026-05-05', d1: 'newest, daily 2026-11-20' },
  },
  {
    when: 'the days are those of the time zone, east of UTC',
    backups: [at('a', '2026-11-20T09:00:00Z', 10), at('b', '2026-11-20T16:00:00Z', 20)],
    rules: rules({ daily: 2, timeZone: 'Asia/Tokyo' }),
    outcome: { a: 'daily 2026-11-20', b: 'newest, daily 2026-11-21' },
  },
  {
    when: 'the days are those of the time zone, west of UTC',
    backups: [at('a', '2026-11-20T03:00:00Z', 10), at('b', '2026-11-20T20:00:00Z', 20)],
    rules: rules({ daily: 2, timeZone: 'America/New_York' }),
    outcome: { a: 'daily 2026-11-19', b: 'newest, daily 2026-11-20' },
  },
  {
    when: 'a day of 25 hours is one day',
    backups: [
      at('a', '2026-10-24T22:30:00Z', 10),
      at('b', '2026-10-25T22:30:00Z', 20),
      at('c', '2026-10-25T23:30:00Z', 30),
    ],
    rules: rules({ daily: 3, timeZone: 'Europe/Berlin' }),
    outcome: { a: 'drop', b: 'daily 2026-10-25', c: 'newest, daily 2026-10-26' },
  },
  {
    when: 'a day of 23 hours is one day',
    backups: [
      at('a', '2026-03-28T23:30:00Z', 10),
      at('b', '2026-03-29T21:30:00Z', 20),
      at('c', '2026-03-29T22:30:00Z', 30),
    ],
    rules: rules({ daily: 3, timeZone: 'Europe/Berlin' }),
    outcome: { a: 'drop', b: 'daily 2026-03-29', c: 'newest, daily 2026-03-30' },
  },
  {
    when: 'weeks begin on Monday',
    backups: [
      at('Sunday', '2026-11-15T23:00:00Z', 10),
      at('Monday', '2026-11-16T01:00:00Z', 20),
      at('Saturday', '2026-11-21T01:00:00Z', 30),
    ],
    rules: rules({ weekly: 2 }),
    outcome: { Sunday: 'weekly 2026-W46', Monday: 'drop', Saturday: 'newest, weekly 2026-W47' },
  },
  {
    when: 'the first days of January belong to the last week of the year before',
    backups: [
      at('a', '2020-12-31T12:00:00Z', 10),
      at('b', '2021-01-03T12:00:00Z', 20),
      at('c', '2021-01-04T12:00:00Z', 30),
    ],
    rules: rules({ weekly: 2 }),
    outcome: { a: 'drop', b: 'weekly 2020-W53', c: 'newest, weekly 2021-W01' },
  },
  {
    when: 'the last days of December belong to the first week of the next year',
    backups: [at('a', '2024-12-29T12:00:00Z', 10), at('b', '2024-12-31T12:00:00Z', 20)],
    rules: rules({ weekly: 2 }),
    outcome: { a: 'weekly 2024-W52', b: 'newest, weekly 2025-W01' },
  },
  {
    when: 'keep-monthly and keep-yearly',
    backups: [
      at('a', '2024-12-31T23:59:59Z', 10),
      at('b', '2025-06-30T12:00:00Z', 20),
      at('c', '2026-10-01T12:00:00Z', 30),
      at('d', '2026-11-20T12:00:00Z', 40),
    ],
    rules: rules({ monthly: 2, yearly: 3 }),
    outcome: {
      a: 'yearly 2024',
      b: 'yearly 2025',
      c: 'monthly 2026-10',
      d: 'newest, monthly 2026-11, yearly 2026',
    },
  },
  {
    when: 'the year ends at the midnight of the time zone',
    backups: [at('a', '2026-01-01T04:00:00Z', 10), at('b', '2026-01-01T06:00:00Z', 20)],
    rules: rules({ yearly: 2, timeZone: 'America/New_York' }),
    outcome: { a: 'yearly 2025', b: 'newest, yearly 2026' },
  },
  {
    when: 'a backup without WAL is not the last of its day',
    backups: [
      at('a', '2026-11-20T01:00:00Z', 10),
      at('b', '2026-11-20T02:00:00Z', 20),
      at('c', '2026-11-21T02:00:00Z', 30),
    ],
    rules: rules({ daily: 2 }),
    world: { withoutWal: new Set(['b']) },
    outcome: { a: 'daily 2026-11-20', b: 'some of its WAL is missing', c: 'newest, daily 2026-11-21' },
  },
];

const chain = [
  backup('full', { ended: 30, at: 10 }),
  backup('delta1', { ended: 20, at: 20, on: 'full' }),
  backup('delta2', { ended: 10, at: 30, on: 'delta1' }),
];

const deltas: Case[] = [
  {
    when: 'the newest is a delta: all that it is built on stays',
    backups: chain,
    rules: rules({ window: 5 }),
    outcome: { full: 'needed by delta1', delta1: 'needed by delta2', delta2: 'newest, anchor of the window' },
  },
  {
    when: 'nobody needs a chain any more: it goes as a whole',
    backups: [...chain, ...daily(2, 1)],
    rules: rules({ full: 2 }),
    outcome: { full: 'drop', delta1: 'drop', delta2: 'drop', d2: 'keep-full', d1: 'newest, keep-full' },
  },
  {
    when: 'keep-full keeps the deltas on a full backup with it',
    backups: [backup('older', { ended: 40, at: 5 }), ...chain],
    rules: rules({ full: 1 }),
    outcome: {
      older: 'drop',
      full: 'keep-full, needed by delta1',
      delta1: 'keep-full, needed by delta2',
      delta2: 'newest, keep-full',
    },
  },
  {
    when: 'a delta in the middle is permanent: the later one goes',
    backups: [chain[0]!, { ...chain[1]!, permanent: true }, chain[2]!, ...daily(1)],
    rules: rules({ full: 1 }),
    outcome: { full: 'needed by delta1', delta1: 'permanent', delta2: 'drop', d1: 'newest, keep-full' },
  },
  {
    when: 'two deltas on one full backup: each is told',
    backups: [chain[0]!, chain[1]!, backup('other', { ended: 15, at: 25, on: 'full' }), ...daily(1)],
    rules: rules({ daily: 3 }),
    outcome: {
      full: 'needed by other, needed by delta1',
      delta1: 'daily 2026-11-01',
      other: 'daily 2026-11-06',
      d1: 'newest, daily 2026-11-20',
    },
  },
  {
    when: 'the parent of a delta is gone: the delta counts for nothing, and goes with its age',
    backups: [backup('orphan', { ended: 9, at: 10, on: 'gone' }), ...daily(8, 1)],
    rules: rules({ window: 5 }),
    outcome: { orphan: 'drop', d8: 'anchor of the window', d1: 'newest, window 5d' },
  },
  {
    when: 'the newest is a delta whose parent is gone: the newest good one stays, and so does it',
    backups: [...daily(3, 2), backup('orphan', { ended: 1, at: 1000, on: 'gone' })],
    rules: rules({ full: 1 }),
    outcome: { d3: 'drop', d2: 'newest, keep-full', orphan: 'its parent is missing' },
  },
  {
    when: 'the parent of a delta is damaged',
    backups: [
      backup('full', { ended: 9, at: 10, usable: false }),
      backup('delta', { ended: 3, at: 20, on: 'full' }),
      ...daily(2, 1),
    ],
    rules: rules({ full: 1 }),
    outcome: { full: 'damaged', delta: 'drop', d2: 'drop', d1: 'newest, keep-full' },
  },
  {
    when: 'deltas name each other in a circle: none is good',
    backups: [
      backup('a', { ended: 3, at: 10, on: 'b' }),
      backup('b', { ended: 2, at: 20, on: 'a' }),
      ...daily(1),
    ],
    rules: rules({ full: 1 }),
    outcome: { a: 'drop', b: 'drop', d1: 'newest, keep-full' },
  },
  {
    when: 'a sentinel does not name the parent: what the delta’s name tells stays',
    backups: [
      backup('base_00000001000000000000000A', { ended: 9, at: 10 }),
      {
        ...backup('base_000000010000000000000014_D_00000001000000000000000A', { ended: 8, at: 20 }),
        kind: 'delta',
        permanent: true,
      },
      ...daily(1),
    ],
    rules: rules({ full: 1 }),
    outcome: {
      base_00000001000000000000000A: 'needed by base_000000010000000000000014_D_00000001000000000000000A',
      base_000000010000000000000014_D_00000001000000000000000A: 'permanent',
      d1: 'newest, keep-full',
    },
  },
];

/** Timeline 2 left 1 in segment 50. */
const promoted = new Map([history(2, [1, 50])]);
/** Timeline 2 left 1 in segment 60; 3, made by a recovery to an earlier moment, left 1 in segment 50. */
const recovered = new Map([history(2, [1, 60]), history(3, [1, 50])]);

const timelines: Case[] = [
  {
    when: 'the anchor lies on the timeline before a promotion',
    backups: [
      backup('a', { ended: 12, at: 10 }),
      backup('b', { ended: 9, at: 40 }),
      backup('c', { ended: 2, at: 70, timeline: 2 }),
    ],
    rules: rules({ window: 7 }),
    world: { histories: promoted, stored: { 1: 3, 2: 0 } },
    outcome: { a: 'drop', b: 'anchor of the window', c: 'newest, window 7d' },
  },
  {
    when: 'nothing was backed up since the promotion',
    backups: daily(9, 8),
    rules: rules({ full: 1 }),
    world: { histories: new Map([history(2, [1, 995])]), stored: { 1: 1, 2: 0 } },
    outcome: { d9: 'drop', d8: 'newest, keep-full' },
  },
  {
    when: 'a recovery to an earlier moment left the newest backup aside: the way today’s WAL took has its own',
    backups: [
      backup('a', { ended: 12, at: 30 }),
      backup('b', { ended: 9, at: 40 }),
      backup('c', { ended: 5, at: 80, timeline: 2 }),
    ],
    rules: rules({ full: 1 }),
    world: { histories: recovered, stored: { 1: 8, 2: 4, 3: 0 } },
    outcome: { a: 'drop', b: 'newest', c: 'newest, keep-full' },
  },
  {
    when: 'two timelines were written in the window: each has its anchor',
    backups: [
      backup('a', { ended: 20, at: 30 }),
      backup('b', { ended: 15, at: 40 }),
      backup('c', { ended: 9, at: 80, timeline: 2 }),
      backup('d', { ended: 2, at: 70, timeline: 3 }),
    ],
    rules: rules({ window: 7 }),
    world: { histories: recovered, stored: { 1: 14, 2: 4, 3: 0 } },
    outcome: { a: 'drop', b: 'anchor of the window', c: 'anchor of the window', d: 'newest, window 7d' },
  },
  {
    when: 'a timeline that was left long ago, with the higher number and LSN, promises nothing',
    backups: [
      backup('a', { ended: 60, at: 40 }),
      backup('stray', { ended: 50, at: 80, timeline: 2 }),
      backup('b', { ended: 20, at: 70, timeline: 3 }),
      backup('c', { ended: 2, at: 75, timeline: 3 }),
    ],
    rules: rules({ window: 7 }),
    world: { histories: recovered, stored: { 1: 59, 2: 45, 3: 0 } },
    outcome: { a: 'drop', stray: 'drop', b: 'anchor of the window', c: 'newest, window 7d' },
  },
  {
    when: 'the newest by number of its timeline is not the newest',
    backups: [backup('two', { ended: 9, at: 80, timeline: 2 }), backup('one', { ended: 1, at: 90 })],
    rules: rules({ full: 1 }),
    world: { histories: new Map([history(2, [1, 60])]), stored: { 1: 0, 2: 8 } },
    outcome: { two: 'drop', one: 'newest, keep-full' },
  },
  {
    when: 'the history file of today’s timeline is gone: it may have begun at the backup before',
    backups: [
      backup('a0', { ended: 30, at: 5 }),
      backup('a', { ended: 21, at: 10 }),
      backup('b', { ended: 1, at: 20, timeline: 2 }),
    ],
    rules: rules({ window: 7 }),
    world: { stored: { 1: 20, 2: 0 } },
    outcome: { a0: 'drop', a: 'anchor of the window', b: 'newest, window 7d' },
  },
];

const clusters: Case[] = [
  {
    when: 'pg_upgrade made a new cluster under the same prefix: the old one’s newest stays',
    backups: [
      backup('old1', { ended: 30, at: 10, cluster: 1n }),
      backup('old2', { ended: 20, at: 20, cluster: 1n }),
      backup('new1', { ended: 9, at: 30, cluster: 2n }),
      backup('new2', { ended: 1, at: 40, cluster: 2n }),
    ],
    rules: rules({ window: 7 }),
    outcome: {
      old1: 'drop',
      old2: 'newest of system identifier 1',
      new1: 'anchor of the window',
      new2: 'newest, window 7d',
    },
  },
  {
    when: 'the upgrade lies inside the window: both clusters have an anchor',
    backups: [
      backup('old1', { ended: 20, at: 10, cluster: 1n }),
      backup('old2', { ended: 10, at: 20, cluster: 1n }),
      backup('new', { ended: 1, at: 30, cluster: 2n }),
    ],
    rules: rules({ window: 7 }),
    outcome: {
      old1: 'drop',
      old2: 'newest of system identifier 1, anchor of the window',
      new: 'newest, window 7d',
    },
  },
  {
    when: 'keep-full counts over both',
    backups: [
      backup('old1', { ended: 30, at: 10, cluster: 1n }),
      backup('old2', { ended: 20, at: 20, cluster: 1n }),
      backup('new', { ended: 1, at: 30, cluster: 2n }),
    ],
    rules: rules({ full: 2 }),
    outcome: { old1: 'drop', old2: 'keep-full, newest of system identifier 1', new: 'newest, keep-full' },
  },
  {
    when: 'the new cluster begins again at low LSNs',
    backups: [
      backup('old', { ended: 20, at: 5000, cluster: 1n }),
      backup('new', { ended: 1, at: 2, cluster: 2n }),
    ],
    rules: rules({ full: 1 }),
    outcome: { old: 'newest of system identifier 1', new: 'newest, keep-full' },
  },
  {
    when: 'backups of WAL-E do not tell their cluster: they are the one there is',
    backups: [
      backup('base_00000001000000000000000A_00000040', {
        ended: 30,
        at: 10,
        kind: 'wal-e',
        cluster: undefined,
      }),
      backup('base_000000010000000000000014_00000040', {
        ended: 8,
        at: 20,
        kind: 'wal-e',
        cluster: undefined,
      }),
      backup('base_00000001000000000000001E', { ended: 1, at: 30 }),
    ],
    rules: rules({ window: 7 }),
    outcome: {
      base_00000001000000000000000A_00000040: 'drop',
      base_000000010000000000000014_00000040: 'anchor of the window',
      base_00000001000000000000001E: 'newest, window 7d',
    },
  },
  {
    when: 'all are WAL-E’s, and count as full ones',
    backups: [
      backup('base_00000001000000000000000A_00000040', {
        ended: 3,
        at: 10,
        kind: 'wal-e',
        cluster: undefined,
      }),
      backup('base_000000010000000000000014_00000040', {
        ended: 2,
        at: 20,
        kind: 'wal-e',
        cluster: undefined,
      }),
    ],
    rules: rules({ full: 1 }),
    outcome: {
      base_00000001000000000000000A_00000040: 'drop',
      base_000000010000000000000014_00000040: 'newest, keep-full',
    },
  },
  {
    when: 'there are two clusters, and WAL-E’s could be of either: its newest stays as well',
    backups: [
      backup('e1', { ended: 40, at: 5, cluster: undefined, kind: 'wal-e' }),
      backup('e2', { ended: 30, at: 10, cluster: undefined, kind: 'wal-e' }),
      backup('old', { ended: 20, at: 20, cluster: 1n }),
      backup('new', { ended: 1, at: 30, cluster: 2n }),
    ],
    rules: rules({ full: 1 }),
    outcome: {
      e1: 'drop',
      e2: 'newest of an unknown cluster',
      old: 'newest of system identifier 1',
      new: 'newest, keep-full',
    },
  },
];

const broken: Case[] = [
  {
    when: 'a sentinel is damaged: it stays and takes nobody’s place',
    backups: [...daily(4, 3), backup('x', { ended: 2, at: 985, usable: false }), ...daily(1)],
    rules: rules({ full: 2 }),
    outcome: { d4: 'drop', d3: 'keep-full', x: 'damaged', d1: 'newest, keep-full' },
  },
  {
    when: 'the newest sentinel is damaged: the newest good one stays',
    backups: [...daily(4, 3), backup('x', { ended: 2, at: 985, usable: false })],
    rules: rules({ full: 1 }),
    outcome: { d4: 'drop', d3: 'newest, keep-full', x: 'damaged' },
  },
  {
    when: 'the newest lost WAL: the newest good one stays, and so does it',
    backups: daily(3, 2, 1),
    rules: rules({ full: 1 }),
    world: { withoutWal: new Set(['d1']) },
    outcome: { d3: 'drop', d2: 'newest, keep-full', d1: 'some of its WAL is missing' },
  },
  {
    when: 'all lost WAL: nothing is dropped',
    backups: daily(3, 2),
    rules: rules({ full: 1 }),
    world: { withoutWal: new Set(['d2', 'd3']) },
    outcome: { d3: 'no good backup is there', d2: 'no good backup is there' },
  },
  {
    when: 'all sentinels are damaged: nothing is dropped',
    backups: [backup('x', { ended: 2, at: 985, usable: false })],
    rules: rules({ full: 1 }),
    outcome: { x: 'damaged' },
  },
];

describe.each([
  ['the window', windows],
  ['counting', counts],
  ['the calendar', calendars],
  ['delta backups', deltas],
  ['timelines', timelines],
  ['clusters', clusters],
  ['broken backups', broken],
])('retention: %s', (_, cases) => {
  it.each(cases)('$when', ({ backups, rules: given, world, outcome }) => {
    expect(judge(backups, given, world)).toEqual(outcome);
    // The order in which a store lists them is nobody's business.
    expect(judge(backups.toReversed(), given, world)).toEqual(outcome);
  });
});
