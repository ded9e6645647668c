import type { RunReport } from '../../schedule/report.ts';
import type { JobRun, PgarcEvent } from '../events.ts';
import { formatDuration } from '../units.ts';
import type { News } from './notice.ts';
import type { PingStep } from './ping.ts';

/** What an event of a job has to tell. */
export interface JobNews {
  /** For the job's ping address. */
  ping?: PingStep;
  /** For the webhook. */
  news?: News;
}

/** Reads what there is to tell from an event. @returns undefined for one that is not a job's */
export function readJobNews(event: PgarcEvent, time: Date): JobNews | undefined {
  switch (event.type) {
    case 'jobStarted':
      return { ping: 'start' };
    case 'jobFinished':
      return { ping: 'success', news: describeEnd(event, time) };
    case 'jobFailed':
      return { ping: 'failure', news: describeFailure(event, time) };
    case 'jobLate': {
      const { job, runningMs, maxDurationMs } = event;
      return {
        news: {
          subject: job,
          kind: 'jobLate',
          message: `${nameRun(event)} takes longer than ${formatDuration(maxDurationMs)}`,
          hint: 'See how far it is with `pgarc status`.',
          run: describeRun(event, time, runningMs, { state: 'running' }),
        },
      };
    }
    case 'jobMissed':
      return {
        news: {
          subject: event.job,
          kind: 'jobMissed',
          message: `the ${event.job} of ${event.scheduledFor} did not take place`,
          hint: `Make up for it with \`pgarc schedule run ${event.job}\`, or set schedule-${event.job}-catch-up.`,
        },
      };
  }
  return undefined;
}

function describeEnd(event: Extract<PgarcEvent, { type: 'jobFinished' }>, time: Date): News {
  const { job, durationMs, outcome, message, backup, deleted } = event;
  const run = describeRun(event, time, durationMs, { state: outcome, message, backup, deleted });
  const took = formatDuration(durationMs);
  if (outcome === 'ok') {
    return { subject: job, kind: 'recovered', message: `${nameRun(event)} ended well after ${took}`, run };
  }
  return {
    subject: job,
    kind: 'jobWarnings',
    message: `${nameRun(event)} ended after ${took} with warnings${message === undefined ? '' : `: ${message}`}`,
    run,
  };
}

function describeFailure(event: Extract<PgarcEvent, { type: 'jobFailed' }>, time: Date): News {
  const { job, durationMs, code, message, hint, retryInMs } = event;
  const again = retryInMs === undefined ? '' : `; it is tried again in ${formatDuration(retryInMs)}`;
  return {
    subject: job,
    kind: 'jobFailed',
    code,
    message: `${nameRun(event)} failed after ${formatDuration(durationMs)}: ${message}${again}`,
    hint,
    run: describeRun(event, time, durationMs, { state: 'failed', message }),
  };
}

function nameRun({ job, scheduledFor }: JobRun): string {
  return `the ${job} of ${scheduledFor}`;
}

function describeRun(
  { scheduledFor, attempt, node }: JobRun,
  time: Date,
  durationMs: number,
  rest: Pick<RunReport, 'state' | 'message' | 'backup' | 'deleted'>,
): RunReport {
  const startedAt = new Date(time.getTime() - durationMs).toISOString();
  const finishedAt = rest.state === 'running' ? undefined : time.toISOString();
  return { scheduledFor, attempt, node, startedAt, finishedAt, durationMs, ...rest };
}
