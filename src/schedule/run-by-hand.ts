import type { ClusterDeps } from '../cluster/lock.ts';
import { refreshLists } from '../cluster/refresh-lists.ts';
import { messageOf, PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { createClusterBook } from './job-book.ts';
import type { JobRecord } from './job-record.ts';
import { jobsOf } from './jobs.ts';
import { createOperations, type OperationDeps } from './operations.ts';
import type { JobName } from './report.ts';
import { runJob, SYSTEM_CLOCK } from './run-job.ts';
import { createSpoolBook } from './spool-book.ts';

export interface ByHandDeps extends OperationDeps {
  /** Undefined where no etcd is set. */
  cluster: ClusterDeps | undefined;
  emit: Emit;
}

/**
 * Runs a job now, under the locks of the schedule, and writes the run down.
 * @throws PgarcError `locked` when it runs elsewhere, `etcd-unreachable`, and what the job failed with
 */
export async function runByHand(deps: ByHandDeps, job: JobName, signal: AbortSignal): Promise<JobRecord> {
  const { settings, cluster, store, emit } = deps;
  jobsOf(settings);
  const book =
    cluster === undefined
      ? createSpoolBook(settings.spool)
      : createClusterBook({ ...cluster, ttl: settings.etcdLease });
  // It fails in one line, printed where all errors are.
  const tell: Emit = (event) => {
    if (event.type !== 'jobFailed') emit(event);
  };
  const ended = await runJob(
    {
      book,
      node: settings.nodeName,
      clock: SYSTEM_CLOCK,
      operate: createOperations(deps),
      emit: tell,
    },
    { job, scheduledFor: new Date(), attempt: 1, byHand: true, isDue: () => true },
    signal,
  );
  if (ended === undefined) {
    throw new PgarcError('locked', `the job ${job} was started elsewhere at the same moment`, {
      hint: 'Look at `pgarc schedule`.',
    });
  }
  if (!ended.saved) emit({ type: 'warning', message: `how the ${job} ended could not be written to etcd` });
  if (ended.error !== undefined) throw ended.error;
  if (cluster !== undefined && job !== 'verify') {
    try {
      await refreshLists({ ...cluster, store, emit }, signal);
    } catch (error) {
      const message = `the lists of backups in etcd are not refreshed: ${messageOf(error)}`;
      emit({ type: 'warning', message, hint: 'The daemon does it within five minutes.' });
    }
  }
  return ended.record;
}
