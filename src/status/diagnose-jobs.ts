import { quoteForShell } from '../report/shell.ts';
import { formatDuration } from '../report/units.ts';
import type { JobReport } from '../schedule/report.ts';
import type { Trouble } from './diagnose.ts';
import type { StatusFacts } from './facts.ts';
import { answered } from './picture.ts';

/** How the scheduled jobs went, and go. */
export function diagnoseJobs({ jobs, now }: StatusFacts): Trouble[] {
  if (jobs.state === 'failed') {
    return [{ subject: 'jobs', message: jobs.message, command: 'pgarc config show' }];
  }
  return (answered(jobs)?.jobs ?? []).flatMap((job) => diagnoseJob(job, now));
}

function diagnoseJob({ job, last, running, maxDurationMs, retryAt, cron }: JobReport, now: Date): Trouble[] {
  const found: Trouble[] = [];
  const add = (message: string, command: string) => found.push({ subject: 'jobs', message, command });
  if (last?.state === 'failed') {
    const again = retryAt === undefined ? '' : `; tried again at ${retryAt}`;
    add(
      `the last ${job} failed on ${last.node}: ${last.message ?? 'no reason given'}${again}`,
      `pgarc schedule run ${job}`,
    );
  } else if (last?.state === 'warnings') {
    const command =
      job === 'verify' && last.backup !== undefined
        ? `pgarc verify ${quoteForShell(last.backup)}`
        : 'pgarc schedule';
    add(`the last ${job} ended with warnings: ${last.message ?? 'see the log'}`, command);
  }
  if (running !== undefined && maxDurationMs !== undefined && cron !== undefined) {
    const took = now.getTime() - Date.parse(running.startedAt);
    if (took > maxDurationMs) {
      const limit = formatDuration(maxDurationMs);
      add(`${job} runs for ${formatDuration(took)}, longer than ${limit}`, 'pgarc schedule');
    }
  }
  return found;
}
