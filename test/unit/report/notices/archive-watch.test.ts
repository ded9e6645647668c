import { expect, it } from 'vitest';
import type { PgarcEvent } from '../../../../src/report/events.ts';
import { ArchiveWatch } from '../../../../src/report/notices/archive-watch.ts';

function setUp() {
  let time = 0;
  const told: string[] = [];
  const watch = new ArchiveWatch({
    noteTrouble: ({ code, message }) => void told.push(`${code}: ${message}`),
    noteWell: ({ message }) => void told.push(message),
    now: () => time,
    patience: 300_000,
  });
  return {
    told,
    hear: (...events: PgarcEvent[]) => {
      for (const event of events) watch.hear(event);
    },
    pass(ms: number): string[] {
      time += ms;
      watch.tick();
      return told.splice(0);
    },
  };
}

const failed = (
  name: string,
  code: 'store-unreachable' | 'wal-conflict' = 'store-unreachable',
): PgarcEvent => ({
  type: 'walPushFailed',
  name,
  ahead: true,
  code,
  message: 'no',
});
const pushed = (name: string): PgarcEvent => ({
  type: 'walPushed',
  name,
  bytes: 1,
  storedBytes: 1,
  durationMs: 1,
});
const waiting = (files: number | undefined): PgarcEvent => ({ type: 'walBacklog', files });

it('tells after minutes without success, with what waits', () => {
  const { hear, pass } = setUp();
  hear(waiting(3), failed('A'));
  expect(pass(299_999)).toEqual([]);
  hear(failed('A'), waiting(1));
  expect(pass(1)).toEqual(['store-unreachable: WAL could not be archived for 5 min, 1 file waits: A: no']);
  hear(pushed('A'));
  expect(pass(1)).toEqual(['WAL is archived again']);
});

it('says nothing of failures that end soon, or on a host where nothing waits', () => {
  const { hear, pass } = setUp();
  hear(waiting(1), failed('A'));
  expect(pass(200_000)).toEqual([]);
  hear(pushed('A'));
  expect(pass(200_000)).toEqual(['WAL is archived again']);
  hear(waiting(0), { type: 'storeDown', downMs: 400_000, reason: 'x', waiting: 0 });
  expect(pass(400_000)).toEqual(['no WAL waits to be archived']);
});

it('forgets with a cluster what failed there, and tells of what cannot be counted', () => {
  const { hear, pass } = setUp();
  hear(waiting(2), failed('A'), waiting(undefined));
  expect(pass(300_000)).toEqual(['store-unreachable: WAL could not be archived for 5 min: A: no']);
  hear({ type: 'daemonWaiting', pgdata: '/pg' });
  expect(pass(400_000)).toEqual([]);
});

it('knows a store that does not answer', () => {
  const { hear, pass } = setUp();
  hear(waiting(2), { type: 'storeDown', downMs: 10_000, reason: 'connection refused', waiting: 2 });
  expect(pass(300_000)).toEqual([
    'store-unreachable: WAL could not be archived for 5 min, 2 files wait: connection refused',
  ]);
  hear({ type: 'storeUp', downMs: 1, waiting: 2 });
  expect(pass(300_000)).toEqual([]);
});

it('is not deceived by the files behind one that never gets through', () => {
  const { hear, pass } = setUp();
  hear(waiting(2), failed('A', 'wal-conflict'), pushed('B'));
  expect(pass(300_000)).toEqual(['wal-conflict: WAL could not be archived for 5 min, 2 files wait: A: no']);
  hear(pushed('C'));
  expect(pass(0)).toHaveLength(1);
  hear(waiting(0));
  expect(pass(0)).toEqual(['no WAL waits to be archived']);
});
