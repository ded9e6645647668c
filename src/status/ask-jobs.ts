import type { Settings } from '../config/settings.ts';
import { latestRun } from '../schedule/cron.ts';
import { describeJob } from '../schedule/describe-job.ts';
import type { JobRecord } from '../schedule/job-record.ts';
import { hasSchedule, jobsOf } from '../schedule/jobs.ts';
import { createSpoolBook } from '../schedule/spool-book.ts';
import type { DaemonAnswer } from './ask-daemon.ts';
import type { JobFacts } from './facts.ts';

/** No scheduled time further back matters, ms. */
const LOOK_BACK = 400 * 86_400_000;

/**
 * The scheduled jobs: what the daemon says of them, else what etcd or this host's spool remembers.
 * @returns undefined when nothing is scheduled, and nothing ran
 * @throws PgarcError `setting-invalid`
 */
export async function askJobs(
  settings: Settings,
  daemon: DaemonAnswer | undefined,
  runs: readonly JobRecord[] | undefined,
  now: Date,
  signal: AbortSignal,
): Promise<JobFacts | undefined> {
  const jobs = jobsOf(settings);
  const records = runs ?? (await createSpoolBook(settings.spool).list(signal));
  const schedule = daemon?.schedule;
  if (!hasSchedule(jobs) && records.length === 0 && schedule === undefined) return undefined;
  const cron = jobs.find(({ name }) => name === 'backup')?.cron;
  const last = cron && latestRun(cron, new Date(now.getTime() - LOOK_BACK), now);
  const before =
    cron && last && latestRun(cron, new Date(now.getTime() - LOOK_BACK), new Date(last.getTime() - 1));
  return {
    jobs:
      schedule?.jobs ??
      jobs.map((job) =>
        describeJob(
          job,
          records.find((record) => record.job === job.name),
          now,
        ),
      ),
    source: schedule !== undefined ? 'daemon' : runs !== undefined ? 'etcd' : 'spool',
    backupTimes: [before, last].filter((time) => time !== undefined),
  };
}
