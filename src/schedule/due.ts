import { createHash } from 'node:crypto';
import { latestRun } from './cron.ts';
import { type JobRecord, MOST_ATTEMPTS, pauseAfter, settledBy } from './job-record.ts';
import type { Job } from './jobs.ts';

/** A run that starts later than this after its time was missed, ms: long enough for another node to take over. */
const LATE_START = 5 * 60_000;
/** After a clock was set back, times of so long ago count as new, ms. */
const LOOK_BACK = 60_000;
/** No retry is further away, ms. */
const LONGEST_PAUSE = pauseAfter(MOST_ATTEMPTS);

/** What is to be done for a job. */
export type Decision =
  | { do: 'wait' }
  | { do: 'start'; scheduledFor: Date; attempt: number }
  /** Its time has passed, and it is not made up for. */
  | { do: 'miss'; scheduledFor: Date }
  /** The record says that it runs: whether that is so, its lock tells. */
  | { do: 'inspect' };

/** What is known of a job. */
export interface JobState {
  /** Of its last run; undefined before the first. */
  record: JobRecord | undefined;
  /** Scheduled times up to this moment are settled: it was missed, or nobody ran the job before. */
  settled: Date | undefined;
  /** Makes jitter differ from cluster to cluster. */
  seed: string;
}

/**
 * Decides what to do for a job now. Pure, and by the clock on the wall alone, so that a suspended machine, a
 * clock set forward or back and another node's earlier runs are all the same case.
 */
export function decide(job: Job, state: JobState, now: Date): Decision {
  const { record } = state;
  if (record?.state === 'running') return { do: 'inspect' };
  const due = findDue(job, state, now);
  if (due !== undefined) {
    const starts = due.getTime() + jitterOf(job, due, state.seed);
    if (now.getTime() < starts) return retryOf(record, now);
    if (job.catchUp || now.getTime() - starts <= LATE_START) {
      return { do: 'start', scheduledFor: due, attempt: 1 };
    }
    return { do: 'miss', scheduledFor: due };
  }
  return retryOf(record, now);
}

/** The latest scheduled time that is not settled yet. */
function findDue({ cron }: Job, { record, settled }: JobState, now: Date): Date | undefined {
  if (cron === undefined) return undefined;
  const moments = [record === undefined ? undefined : new Date(settledBy(record)), settled];
  const after = moments.filter((moment) => moment !== undefined).sort((a, b) => b.getTime() - a.getTime())[0];
  if (after === undefined) return undefined;
  if (after <= now) return latestRun(cron, after, now);
  // The clock was set back. A time that was run already is not run again; where that would mean to sit out
  // several, the clock had been wrong before.
  if (cron.next(cron.next(now)) > after) return undefined;
  return latestRun(cron, new Date(now.getTime() - LOOK_BACK), now);
}

function retryOf(record: JobRecord | undefined, now: Date): Decision {
  if (record?.state !== 'failed' || record.retryAt === undefined) return { do: 'wait' };
  const wait = Date.parse(record.retryAt) - now.getTime();
  if (wait > 0 && wait <= LONGEST_PAUSE) return { do: 'wait' };
  return { do: 'start', scheduledFor: new Date(record.scheduledFor), attempt: record.attempt + 1 };
}

/** By chance, but the same for all nodes and after a restart. @returns ms, less than the job's jitter */
export function jitterOf({ name, jitter }: Job, scheduledFor: Date, seed: string): number {
  if (jitter === 0) return 0;
  const hash = createHash('sha256').update(`${seed} ${name} ${scheduledFor.toISOString()}`).digest();
  return Math.floor((hash.readUInt32BE(0) / 2 ** 32) * jitter);
}
