import { expect, it } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import { createCron } from '../../../src/schedule/cron.ts';
import { decide, jitterOf } from '../../../src/schedule/due.ts';
import {
  failRecord,
  finishRecord,
  type JobRecord,
  loseRecord,
  startRecord,
} from '../../../src/schedule/job-record.ts';
import type { Job } from '../../../src/schedule/jobs.ts';

/** 21 November 2026, a Saturday; `2d` is two days later. */
function at(text: string): Date {
  const [, days = '0', time] = /^(?:(-?\d+)d )?(.*)$/.exec(text)!;
  const date = new Date(`2026-11-21T${time!.length === 5 ? `${time}:00` : time}Z`);
  return new Date(date.getTime() + Number(days) * 86_400_000);
}

function job(cron: string | undefined, more: Partial<Job> = {}): Job {
  return {
    name: 'backup',
    cron: cron === undefined ? undefined : createCron(cron, 'UTC'),
    timeZone: 'UTC',
    jitter: 0,
    catchUp: false,
    maxDuration: undefined,
    ...more,
  };
}

const RETRYABLE = new PgarcError('store-unreachable', 'no answer');
const HOPELESS = new PgarcError('refused', 'no archiving');

/** A run for a time that began then and took a minute. */
function run(scheduledFor: string, state: JobRecord['state'] | 'hopeless' | 'lost', attempt = 1): JobRecord {
  const started = startRecord(
    { job: 'backup', node: 'a', scheduledFor: at(scheduledFor), attempt, byHand: false },
    undefined,
    at(scheduledFor),
  );
  const end = new Date(at(scheduledFor).getTime() + 60_000);
  switch (state) {
    case 'running':
      return started;
    case 'failed':
      return failRecord(started, RETRYABLE, end, 60_000);
    case 'hopeless':
      return failRecord(started, HOPELESS, end, 60_000);
    case 'lost':
      return loseRecord(started, end);
    default:
      return finishRecord(started, { outcome: state }, end, 60_000);
  }
}

const DAILY = job('30 2 * * *');
const EAGER = job('30 2 * * *', { catchUp: true });
const MINUTELY = job('* * * * *');

it.each([
  // Its time comes.
  ['before', DAILY, run('-1d 02:30', 'ok'), '02:29:59', 'wait'],
  ['its time', DAILY, run('-1d 02:30', 'ok'), '02:30', 'start 02:30 1'],
  ['a moment later', DAILY, run('-1d 02:30', 'ok'), '02:34:59', 'start 02:30 1'],
  ['done', DAILY, run('02:30', 'ok'), '02:31', 'wait'],
  ['done with warnings', DAILY, run('02:30', 'warnings'), '02:31', 'wait'],
  ['without a cron expression', job(undefined), run('-1d 02:30', 'ok'), '02:30', 'wait'],
  // Missed: nobody was there, or the machine slept.
  ['five minutes late', DAILY, run('-1d 02:30', 'ok'), '02:35', 'start 02:30 1'],
  ['later', DAILY, run('-1d 02:30', 'ok'), '02:35:01', 'miss 02:30'],
  ['days later', DAILY, run('-9d 02:30', 'ok'), '23:00', 'miss 02:30'],
  ['days later, at the time', DAILY, run('-9d 02:30', 'ok'), '02:30', 'start 02:30 1'],
  ['to be made up for, once', EAGER, run('-9d 02:30', 'ok'), '23:00', 'start 02:30 1'],
  ['made up for', EAGER, run('02:30', 'ok'), '23:00', 'wait'],
  ['missed while it ran', MINUTELY, run('02:30', 'ok'), '02:32:40', 'start 02:32 1'],
  // A run by hand does not stand for a scheduled one.
  ['after one by hand', DAILY, run('02:00', 'ok'), '02:30', 'start 02:30 1'],
  // Failures.
  ['failed a moment ago', DAILY, run('02:30', 'failed'), '02:31:29', 'wait'],
  ['failed 30 s ago', DAILY, run('02:30', 'failed'), '02:31:30', 'start 02:30 2'],
  ['failed twice, a minute is not over', DAILY, run('02:30', 'failed', 2), '02:31:59', 'wait'],
  ['failed twice', DAILY, run('02:30', 'failed', 2), '02:32', 'start 02:30 3'],
  ['failed four times', DAILY, run('02:30', 'failed', 4), '02:35', 'start 02:30 5'],
  ['failed five times', DAILY, run('02:30', 'failed', 5), '12:00', 'wait'],
  ['failed for good', DAILY, run('02:30', 'hopeless'), '12:00', 'wait'],
  ['failed for good, and due again', DAILY, run('-1d 02:30', 'hopeless'), '02:30', 'start 02:30 1'],
  ['failed, and due again', MINUTELY, run('02:30', 'failed'), '02:31', 'start 02:31 1'],
  ['tried again hours later', DAILY, run('02:30', 'failed'), '09:00', 'start 02:30 2'],
  ['a lost node, at once', DAILY, run('02:30', 'lost'), '02:31', 'start 02:30 2'],
  ['a node lost five times', DAILY, run('02:30', 'lost', 5), '02:31', 'wait'],
  // Whether it runs, its lock tells.
  ['running', DAILY, run('02:30', 'running'), '02:31', 'inspect'],
  ['running since yesterday', DAILY, run('-1d 02:30', 'running'), '02:31', 'inspect'],
  // A clock that was set back.
  ['back an hour', DAILY, run('02:30', 'ok'), '01:30', 'wait'],
  ['back an hour, at the time again', DAILY, run('02:30', 'ok'), '02:30', 'wait'],
  ['back a day and an hour', DAILY, run('02:30', 'ok'), '-1d 01:30', 'wait'],
  ['had been years ahead', DAILY, run('900d 02:30', 'ok'), '02:30', 'start 02:30 1'],
  ['had been years ahead, later', DAILY, run('900d 02:30', 'ok'), '02:31:01', 'wait'],
  ['back a minute', MINUTELY, run('02:30', 'ok'), '02:29:30', 'wait'],
  ['back an hour, of every minute', MINUTELY, run('02:30', 'ok'), '01:30:20', 'start 01:30 1'],
  ['failed in the far future', DAILY, run('02:30', 'failed'), '01:00', 'start 02:30 2'],
  ['failed a minute ahead', DAILY, run('02:30', 'failed'), '02:29', 'wait'],
] as const)('%s', (_, what, record, now, expected) => {
  const decision = decide(what, { record, settled: undefined, seed: '' }, at(now));
  expect(describe(decision)).toBe(expected);
});

it.each([
  ['nothing was ever run', undefined, '-1d 03:00', '02:29', 'wait'],
  ['the first run', undefined, '-1d 03:00', '02:30', 'start 02:30 1'],
  ['the first run was missed', undefined, '-1d 03:00', '03:00', 'miss 02:30'],
  ['which was told', undefined, '02:30', '03:00', 'wait'],
  ['told, after an old run', run('-9d 02:30', 'ok'), '02:30', '03:00', 'wait'],
  ['and the next comes', run('-9d 02:30', 'ok'), '-1d 02:30', '02:30', 'start 02:30 1'],
] as const)('%s', (_, record, settled, now, expected) => {
  const decision = decide(DAILY, { record, settled: at(settled), seed: '' }, at(now));
  expect(describe(decision)).toBe(expected);
});

it('does not try again what a person asked for', () => {
  const request = { job: 'backup', node: 'a', scheduledFor: at('02:00'), attempt: 1, byHand: true } as const;
  const started = startRecord(request, undefined, at('02:00'));
  expect(failRecord(started, RETRYABLE, at('02:01'), 1).retryAt).toBeUndefined();
  expect(loseRecord(started, at('02:01')).retryAt).toBeUndefined();
});

/** A run by hand at 02:32, after that one. */
function byHand(before: JobRecord, state: 'ok' | 'failed' | 'lost'): JobRecord {
  const request = { job: 'backup', node: 'a', scheduledFor: at('02:32'), attempt: 1, byHand: true } as const;
  const started = startRecord(request, before, at('02:32'));
  if (state === 'lost') return loseRecord(started, at('02:33'));
  if (state === 'failed') return failRecord(started, RETRYABLE, at('02:33'), 60_000);
  return finishRecord(started, { outcome: 'ok' }, at('02:33'), 60_000);
}

it.each([
  ['that failed leaves one that waits', byHand(run('-1d 02:30', 'ok'), 'failed'), 'start 02:30 1'],
  ['that was killed too', byHand(run('-1d 02:30', 'ok'), 'lost'), 'start 02:30 1'],
  ['that went well stands for it', byHand(run('-1d 02:30', 'ok'), 'ok'), 'wait'],
  ['that failed leaves what is to be tried again', byHand(run('02:30', 'failed'), 'failed'), 'start 02:30 1'],
  ['that went well ends that', byHand(run('02:30', 'failed'), 'ok'), 'wait'],
  ['that failed repeats nothing', byHand(run('02:30', 'ok'), 'failed'), 'wait'],
  ['that failed twice', byHand(byHand(run('-1d 02:30', 'ok'), 'failed'), 'failed'), 'start 02:30 1'],
])('a run by hand %s', (_, record, expected) => {
  const decision = decide(DAILY, { record, settled: undefined, seed: '' }, at('02:34'));
  expect(describe(decision)).toBe(expected);
});

it('starts later by a jitter that is the same on all nodes', () => {
  const spread = job('30 2 * * *', { jitter: 600_000 });
  const state = { record: run('-1d 02:30', 'ok'), settled: undefined, seed: 'main' };
  const jitter = jitterOf(spread, at('02:30'), 'main');
  expect(jitter).toBeGreaterThan(1000);
  expect(jitter).toBeLessThan(600_000);
  expect(jitterOf(spread, at('02:30'), 'main')).toBe(jitter);
  expect(jitterOf(spread, at('02:30'), 'other')).not.toBe(jitter);
  const start = at('02:30').getTime() + jitter;
  expect(decide(spread, state, new Date(start - 1)).do).toBe('wait');
  expect(describe(decide(spread, state, new Date(start)))).toBe('start 02:30 1');
  expect(describe(decide(spread, state, new Date(start + 300_000)))).toBe('start 02:30 1');
  expect(decide(spread, state, new Date(start + 300_001)).do).toBe('miss');
  const many = Array.from({ length: 200 }, (_, i) => jitterOf(spread, at(`${i}d 02:30`), 'main'));
  expect(Math.min(...many)).toBeLessThan(60_000);
  expect(Math.max(...many)).toBeGreaterThan(540_000);
});

function describe(decision: ReturnType<typeof decide>): string {
  const time = (moment: Date) => moment.toISOString().slice(11, 16);
  if (decision.do === 'start') return `start ${time(decision.scheduledFor)} ${decision.attempt}`;
  return decision.do === 'miss' ? `miss ${time(decision.scheduledFor)}` : decision.do;
}
