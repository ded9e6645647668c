import { expect, it } from 'vitest';
import type { JobRun, PgarcEvent } from '../../../../src/report/events.ts';
import { readJobNews } from '../../../../src/report/notices/job-news.ts';
import { pingAddress } from '../../../../src/report/notices/ping.ts';

const NOW = new Date('2026-11-21T02:10:00Z');
const RUN: JobRun = { job: 'backup', node: 'db1', scheduledFor: '2026-11-21T02:00:00.000Z', attempt: 1 };
const TIMES = { startedAt: '2026-11-21T02:00:00.000Z', finishedAt: '2026-11-21T02:10:00.000Z' };

it.each<[PgarcEvent, unknown]>([
  [{ type: 'jobStarted', ...RUN }, { ping: 'start' }],
  [
    { type: 'jobFinished', ...RUN, durationMs: 600_000, outcome: 'ok', backup: 'base_1' },
    {
      ping: 'success',
      news: {
        subject: 'backup',
        kind: 'recovered',
        message: 'the backup of 2026-11-21T02:00:00.000Z ended well after 10 min',
        run: { ...TIMES, state: 'ok', durationMs: 600_000, node: 'db1', attempt: 1, backup: 'base_1' },
      },
    },
  ],
  [
    { type: 'jobFinished', ...RUN, durationMs: 600_000, outcome: 'warnings', message: '1 damaged page' },
    {
      ping: 'success',
      news: {
        kind: 'jobWarnings',
        message: 'the backup of 2026-11-21T02:00:00.000Z ended after 10 min with warnings: 1 damaged page',
        run: { state: 'warnings' },
      },
    },
  ],
  [
    {
      type: 'jobFailed',
      ...RUN,
      durationMs: 600_000,
      outcome: 'failed',
      code: 'store-unreachable',
      message: 'no store',
      hint: 'Look.',
      retryInMs: 30_000,
    },
    {
      ping: 'failure',
      news: {
        kind: 'jobFailed',
        code: 'store-unreachable',
        hint: 'Look.',
        message:
          'the backup of 2026-11-21T02:00:00.000Z failed after 10 min: no store; it is tried again in 30 s',
        run: { ...TIMES, state: 'failed', message: 'no store' },
      },
    },
  ],
  [
    { type: 'jobLate', ...RUN, runningMs: 600_000, maxDurationMs: 500_000 },
    {
      news: {
        kind: 'jobLate',
        message: 'the backup of 2026-11-21T02:00:00.000Z takes longer than 8 min 20 s',
        run: { state: 'running', startedAt: TIMES.startedAt, finishedAt: undefined },
      },
    },
  ],
  [
    { type: 'jobMissed', job: 'retain', node: 'db1', scheduledFor: RUN.scheduledFor },
    { news: { subject: 'retain', kind: 'jobMissed' } },
  ],
])('reads %o', (event, expected) => {
  expect(readJobNews(event, NOW)).toMatchObject(expected as object);
});

it('has nothing to say of other events', () => {
  expect(readJobNews({ type: 'walBacklog', files: 1 }, NOW)).toBeUndefined();
});

it.each([
  ['https://hc-ping.com/uuid', ['/uuid/start', '/uuid', '/uuid/fail']],
  ['https://hc-ping.com/uuid/', ['/uuid/start', '/uuid/', '/uuid/fail']],
  [
    'https://x/ping/key/slug?create=1',
    ['/ping/key/slug/start?create=1', '/ping/key/slug?create=1', '/ping/key/slug/fail?create=1'],
  ],
  ['http://x', ['/start', '/', '/fail']],
])('pings %s', (url, paths) => {
  const steps = ['start', 'success', 'failure'] as const;
  expect(
    steps.map((step) => pingAddress(url, step)).map(({ pathname, search }) => pathname + search),
  ).toEqual(paths);
});
