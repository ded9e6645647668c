import { expect, it } from 'vitest';
import { resolveSettings } from '../../../src/config/resolve.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { PgarcError } from '../../../src/errors.ts';
import { hasSchedule, jobsOf } from '../../../src/schedule/jobs.ts';

function read(values: Record<string, string>): Settings {
  return resolveSettings({
    flags: {},
    environment: {},
    file: { path: '/x.yaml', values },
    facts: { processors: 2, defaultSpool: '/spool', hostname: 'a' },
    readSecretFile: () => '',
  }).settings;
}

it('has three jobs, scheduled or not', () => {
  const none = jobsOf(read({}));
  expect(none.map(({ name, cron }) => [name, cron])).toEqual([
    ['backup', undefined],
    ['retain', undefined],
    ['verify', undefined],
  ]);
  expect(hasSchedule(none)).toBe(false);
  const jobs = jobsOf(
    read({
      'schedule-backup-cron': '30 2 * * *',
      'schedule-backup-time-zone': 'Europe/Berlin',
      'schedule-backup-jitter': '10min',
      'schedule-backup-catch-up': 'true',
      'schedule-backup-max-duration': '2h',
      'schedule-retain-cron': '0 4 * * *',
      'keep-full': '3',
    }),
  );
  expect(hasSchedule(jobs)).toBe(true);
  expect(jobs[0]).toMatchObject({
    name: 'backup',
    timeZone: 'Europe/Berlin',
    jitter: 600_000,
    catchUp: true,
    maxDuration: 7_200_000,
  });
  expect(jobs[0]!.cron!.next(new Date('2026-11-21T12:00Z')).toISOString()).toBe('2026-11-22T01:30:00.000Z');
});

it.each([
  [{ 'schedule-backup-cron': '0 0 30 2 *' }, 'schedule-backup-cron'],
  [{ 'schedule-verify-cron': '61 * * * *' }, 'schedule-verify-cron'],
  [{ 'schedule-backup-time-zone': 'Europe/Bielefeld' }, 'schedule-backup-time-zone'],
  [{ 'schedule-retain-cron': '0 4 * * *' }, 'schedule-retain-cron'],
  [{ 'schedule-retain-cron': '0 4 * * *', 'keep-full': '0' }, 'keep-full'],
  [{ 'keep-window': '0', 'keep-daily': '0' }, 'keep-window, keep-daily'],
  [{ 'schedule-backup-cron': '0 4 * * *', 'etcd-endpoints': 'a:2379' }, 'but not scope'],
  [{ 'schedule-backup-jitter': '5min' }, 'schedule-backup-jitter'],
  [{ 'schedule-backup-catch-up': 'yes' }, 'schedule-backup-catch-up'],
  [{ 'schedule-backup-cron': '*/5 * * * *', 'schedule-backup-jitter': '5min' }, 'schedule-backup-jitter'],
  [{ 'schedule-backup-cron': '0 2,3 * * *', 'schedule-backup-jitter': '2h' }, 'schedule-backup-jitter'],
])('refuses %j, naming %s', (values, name) => {
  const attempt = () => jobsOf(read(values as unknown as Record<string, string>));
  expect(attempt).toThrow(PgarcError);
  expect(attempt).toThrow(name);
  try {
    attempt();
  } catch (error) {
    expect((error as PgarcError).exitCode).toBe(2);
  }
});
