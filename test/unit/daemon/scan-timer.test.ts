import { expect, it } from 'vitest';
import { ScanTimer } from '../../../src/daemon/scan-timer.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';

const MINUTE = 60_000;
const DOWN: PgarcEvent = { type: 'storeDown', downMs: 1, reason: 'x', waiting: 0 };

function start(age?: number, hasElection = false) {
  let time = 1000;
  const timer = new ScanTimer({ interval: 15 * MINUTE, hasElection, age, now: () => time });
  const after = (ms: number) => {
    time += ms;
    return timer.isDue;
  };
  return { timer, after };
}

it.each<[string, number | undefined, number]>([
  ['at once', undefined, 0],
  ['at once, after an old scan', 60 * MINUTE, 0],
  ['later, after a young one', 5 * MINUTE, 10 * MINUTE],
  ['within the interval, after one of the future', -60 * MINUTE, 15 * MINUTE],
])('is due %s', (_, age, wait) => {
  const { timer, after } = start(age);
  expect(timer.isDue).toBe(wait === 0);
  if (wait > 0) expect(after(wait - 1)).toBe(false);
  expect(after(1)).toBe(true);
});

it('waits for the interval, or longer after a long one', () => {
  const { timer, after } = start();
  timer.noteEnd(MINUTE / 2);
  expect(after(15 * MINUTE - 1)).toBe(false);
  expect(after(1)).toBe(true);
  timer.noteEnd(2 * MINUTE);
  expect(after(40 * MINUTE - 1)).toBe(false);
  expect(after(1)).toBe(true);
});

it('rests while the store is down, and not for ever', () => {
  const { timer, after } = start();
  timer.hear(DOWN);
  expect(after(2 * MINUTE - 1)).toBe(false);
  expect(after(1)).toBe(true);
  timer.hear(DOWN);
  expect(timer.isDue).toBe(false);
  timer.hear({ type: 'storeUp', downMs: 1, waiting: 0 });
  expect(timer.isDue).toBe(true);
});

it('is for the node that leads, where there is an election', () => {
  const led = (isLeader: boolean): PgarcEvent => ({
    type: 'leadershipChanged',
    node: 'a',
    leader: 'b',
    isLeader,
  });
  const alone = start();
  alone.timer.hear(led(false));
  expect(alone.timer.isDue).toBe(true);
  const { timer } = start(undefined, true);
  expect(timer.isDue).toBe(false);
  timer.hear(led(true));
  expect(timer.isDue).toBe(true);
  timer.hear(led(false));
  expect(timer.isDue).toBe(false);
});

it('comes early after a job that changed the archive, as long as it costs little', () => {
  const done: PgarcEvent = {
    type: 'jobFinished',
    job: 'backup',
    node: 'a',
    scheduledFor: '2026-11-21T02:00:00.000Z',
    attempt: 1,
    durationMs: 1,
    outcome: 'ok',
  };
  const { timer, after } = start();
  timer.noteEnd(1000);
  timer.hear({ ...done, job: 'verify' });
  expect(after(20_000)).toBe(false);
  timer.hear(done);
  expect(timer.isDue).toBe(true);
  timer.noteEnd(MINUTE / 2);
  timer.hear(done);
  expect(after(10 * MINUTE - 1)).toBe(false);
  expect(after(1)).toBe(true);
});
