import { expect, it } from 'vitest';
import type { Backup } from '../../../src/backup/catalog.ts';
import { createMetrics } from '../../../src/daemon/metrics.ts';
import type { JobRun, PgarcEvent } from '../../../src/report/events.ts';
import type { ArchiveScan } from '../../../src/status/archive-scan.ts';

const NOW = 1_800_000_000_000;
const RUN: JobRun = { job: 'retain', node: 'db1', scheduledFor: '2027-01-15T08:00:00.000Z', attempt: 1 };
const SCAN: ArchiveScan = {
  at: '2027-01-15T07:59:00.000Z',
  segments: 12,
  storedBytes: 3000,
  newest: ['00000002000000000000000C'],
  window: {
    timeline: 2,
    from: '2027-01-01T00:00:00.500000Z',
    to: '2027-01-15T07:58:00.000000Z',
    fromLsn: '0/1',
    toLsn: '0/2',
    backups: 2,
  },
  gaps: 1,
  missingSegments: 3,
  missing: [],
  broken: [],
  brokenCount: 0,
};

function backup(kind: Backup['kind'], finish: string, storedSize: number | undefined, usable = true): Backup {
  return { name: finish, kind, finishTime: new Date(finish), startLsn: 1n, storedSize, usable } as Backup;
}

/** pgarc's own samples of these groups, after the events. */
async function samples(pattern: RegExp, ...events: PgarcEvent[]): Promise<string[]> {
  const metrics = createMetrics(() => NOW);
  for (const event of events) metrics.hear(event);
  const text = await metrics.render();
  return text.split('\n').filter((line) => pattern.test(line));
}

it('says nothing of jobs and the archive before it knows', async () => {
  expect(await samples(/^pgarc_(job|leader|backups|stored|window|newest|wal_gaps|archive)/)).toEqual([]);
});

it('tells how jobs went', async () => {
  const found = await samples(
    /^pgarc_(job|leader|retention)/,
    { type: 'leadershipChanged', node: 'db1', leader: 'db1', isLeader: true },
    { type: 'jobStarted', ...RUN },
    {
      type: 'jobFinished',
      ...RUN,
      durationMs: 1500,
      outcome: 'ok',
      deleted: { backups: 2, segments: 5, objects: 40, bytes: 9000 },
    },
    { type: 'jobStarted', ...RUN, job: 'backup' },
    {
      type: 'jobFailed',
      ...RUN,
      job: 'backup',
      durationMs: 2000,
      outcome: 'failed',
      code: 'failed',
      message: 'x',
    },
    { type: 'jobStarted', ...RUN, job: 'verify' },
    { type: 'jobMissed', job: 'backup', node: 'db1', scheduledFor: RUN.scheduledFor },
  );
  expect(found.sort()).toEqual(
    [
      'pgarc_job_last_duration_seconds{job="backup"} 2',
      'pgarc_job_last_duration_seconds{job="retain"} 1.5',
      'pgarc_job_last_failure_timestamp_seconds{job="backup"} 1800000000',
      'pgarc_job_last_success_timestamp_seconds{job="retain"} 1800000000',
      'pgarc_job_missed_total{job="backup"} 1',
      'pgarc_job_running{job="backup"} 0',
      'pgarc_job_running{job="retain"} 0',
      'pgarc_job_running{job="verify"} 1',
      'pgarc_job_runs_total{job="backup",outcome="failed"} 1',
      'pgarc_job_runs_total{job="retain",outcome="ok"} 1',
      'pgarc_leader 1',
      'pgarc_retention_deleted_bytes_total 9000',
      'pgarc_retention_deleted_total{what="backups"} 2',
      'pgarc_retention_deleted_total{what="objects"} 40',
      'pgarc_retention_deleted_total{what="segments"} 5',
    ].sort(),
  );
});

it('tells what the archive holds', async () => {
  const found = await samples(
    /^pgarc_(backups|newest|stored|window|wal_gaps|wal_missing|archive)/,
    {
      type: 'backupsListed',
      backups: [
        backup('full', '2027-01-01T00:00:00Z', 1000),
        backup('delta', '2027-01-02T00:00:00Z', 100),
        backup('full', '2027-01-03T00:00:00Z', undefined),
        backup('full', '2027-01-04T00:00:00Z', 10, false),
      ],
    },
    { type: 'archiveScanned', scan: SCAN },
  );
  expect(found.sort()).toEqual(
    [
      'pgarc_archive_scanned_timestamp_seconds 1799999940',
      'pgarc_backups_listed_timestamp_seconds 1800000000',
      'pgarc_backups_unusable 1',
      'pgarc_backups_without_wal 0',
      'pgarc_backups{kind="delta"} 1',
      'pgarc_backups{kind="full"} 2',
      'pgarc_backups{kind="wal-e"} 0',
      'pgarc_newest_backup_timestamp_seconds 1798934400',
      'pgarc_stored_bytes{what="backups"} 1110',
      'pgarc_stored_bytes{what="wal"} 3000',
      'pgarc_wal_gaps 1',
      'pgarc_wal_missing_segments 3',
      'pgarc_window_from_timestamp_seconds 1798761600.5',
      'pgarc_window_to_timestamp_seconds 1799999880',
    ].sort(),
  );
});

it('takes back what is no longer so', async () => {
  const found = await samples(
    /^pgarc_(newest|window|wal_ready|backups{kind="full"})/,
    { type: 'walBacklog', files: 3 },
    { type: 'walBacklog', files: undefined },
    { type: 'backupsListed', backups: [backup('full', '2027-01-01T00:00:00Z', 1000)] },
    { type: 'archiveScanned', scan: SCAN },
    { type: 'backupsListed', backups: [] },
    { type: 'archiveScanned', scan: { ...SCAN, window: null } },
  );
  expect(found).toEqual(['pgarc_backups{kind="full"} 0']);
});

it('recalls how runs ended before it began, and forgets that for what it heard since', async () => {
  const metrics = createMetrics(() => NOW);
  const run = {
    scheduledFor: RUN.scheduledFor,
    attempt: 1,
    node: 'db2',
    startedAt: '2027-01-15T07:00:00.000Z',
    finishedAt: '2027-01-15T07:00:02.000Z',
    durationMs: 2000,
  };
  metrics.hear({ type: 'jobFinished', ...RUN, durationMs: 1500, outcome: 'ok' });
  metrics.recall('retain', { ...run, state: 'ok' });
  metrics.recall('backup', { ...run, state: 'warnings' });
  metrics.recall('verify', { ...run, state: 'failed' });
  const text = await metrics.render();
  expect(
    text
      .split('\n')
      .filter((line) => /^pgarc_job_last/.test(line))
      .sort(),
  ).toEqual([
    'pgarc_job_last_duration_seconds{job="backup"} 2',
    'pgarc_job_last_duration_seconds{job="retain"} 1.5',
    'pgarc_job_last_duration_seconds{job="verify"} 2',
    'pgarc_job_last_failure_timestamp_seconds{job="verify"} 1799996402',
    'pgarc_job_last_success_timestamp_seconds{job="backup"} 1799996402',
    'pgarc_job_last_success_timestamp_seconds{job="retain"} 1800000000',
  ]);
});
