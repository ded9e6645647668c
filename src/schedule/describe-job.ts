import { nextRuns } from './cron.ts';
import { type JobRecord, lastEnded, reportRun } from './job-record.ts';
import type { Job } from './jobs.ts';
import type { JobReport } from './report.ts';
import type { ActiveRun } from './run-job.ts';

/** Next runs that are told. */
const NEXT_RUNS = 3;

/** A job as people and programs are told of it. Pure. @param active the run in this process */
export function describeJob(
  job: Job,
  record: JobRecord | undefined,
  now: Date,
  active?: ActiveRun,
): JobReport {
  const { name, cron, timeZone, jitter, catchUp, maxDuration } = job;
  const elsewhere = record?.state === 'running' ? reportRun(record) : undefined;
  return {
    job: name,
    cron: cron?.expression,
    timeZone,
    jitterMs: jitter,
    catchUp,
    maxDurationMs: maxDuration,
    running: active === undefined ? elsewhere : reportRun(active.record, active.progress),
    last: lastEnded(record),
    next: cron === undefined ? [] : nextRuns(cron, now, NEXT_RUNS).map((run) => run.toISOString()),
    retryAt: record?.state === 'failed' ? record.retryAt : undefined,
  };
}
