import type { Settings } from '../config/settings.ts';
import { type Cron, latestRun } from '../schedule/cron.ts';
import { describeJob } from '../schedule/describe-job.ts';
import type { JobRecord } from '../schedule/job-record.ts';
import { hasSchedule, type Job, jobsOf } from '../schedule/jobs.ts';
import type { JobReport } from '../schedule/report.ts';
import { createSpoolBook } from '../schedule/spool-book.ts';
import type { DaemonAnswer } from './ask-daemon.ts';
import type { JobFacts } from './facts.ts';

/** No scheduled time further back matters, ms. */
const LOOK_BACK = 400 * 86_400_000;

/** Where the last runs may be read. */
export interface JobSources {
  daemon: DaemonAnswer | undefined;
  /** What etcd has; undefined where it is not set, or does not answer. */
  runs: readonly JobRecord[] | undefined;
  /** Whether etcd would know better than this host. */
  lacksEtcd: boolean;
}

/**
 * The scheduled jobs and their last runs: from etcd or, where there is none, from this host's spool; as the daemon
 * knew them last while etcd does not answer.
 * @returns undefined when nothing is scheduled, and nothing ran
 * @throws PgarcError `setting-invalid`
 */
export async function askJobs(
  settings: Settings,
  { daemon, runs, lacksEtcd }: JobSources,
  now: Date,
  signal: AbortSignal,
): Promise<JobFacts | undefined> {
  const jobs = jobsOf(settings);
  const records = runs ?? (await createSpoolBook(settings.spool).list(signal));
  const told = daemon?.schedule?.jobs;
  if (!hasSchedule(jobs) && records.length === 0) return undefined;
  const cron = jobs.find(({ name }) => name === 'backup')?.cron;
  const last = cron && latestBefore(cron, now);
  const before = cron && last && latestBefore(cron, new Date(last.getTime() - 1));
  const useDaemon = lacksEtcd && told !== undefined;
  return {
    jobs: useDaemon ? told : jobs.map((job) => reportJob(job, records, told, now)),
    source: useDaemon ? 'daemon' : runs !== undefined ? 'etcd' : 'spool',
    isKept: lacksEtcd,
    backupTimes: [before, last].filter((time) => time !== undefined),
  };
}

function latestBefore(cron: Cron, time: Date): Date | undefined {
  return latestRun(cron, new Date(time.getTime() - LOOK_BACK), time);
}

/** The daemon that runs it knows best how far it is. */
function reportJob(
  job: Job,
  records: readonly JobRecord[],
  told: readonly JobReport[] | undefined,
  now: Date,
): JobReport {
  const record = records.find((one) => one.job === job.name);
  const report = describeJob(job, record, now);
  const running = told?.find((one) => one.job === job.name)?.running;
  const isSame =
    running?.scheduledFor === report.running?.scheduledFor && running?.attempt === report.running?.attempt;
  return isSame ? { ...report, running } : report;
}
