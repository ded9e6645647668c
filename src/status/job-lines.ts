import { formatAge, formatBytes, formatDuration, formatLocalTime } from '../report/units.ts';
import type { JobReport, RunReport } from '../schedule/report.ts';
import type { JobFacts } from './facts.ts';
import type { Line } from './lines.ts';

/** A line for each job that is scheduled, or ran; one that says so where there is none. */
export function jobLines(facts: JobFacts | undefined, now: Date): Line[] {
  const jobs = facts?.jobs.filter(({ cron, last, running }) => cron ?? last ?? running) ?? [];
  if (facts === undefined || jobs.length === 0) return [{ label: 'jobs', text: 'none is scheduled' }];
  const source = facts.isKept ? `, from the ${facts.source} of this host` : '';
  return jobs.map((job) => ({ label: job.job, text: `${describeJob(job, now)}${source}` }));
}

function describeJob({ running, last, next, cron }: JobReport, now: Date): string {
  const [first] = next;
  const parts = [
    ...(running === undefined ? [] : [describeRunning(running, now)]),
    last === undefined ? 'never ran' : describeLast(last, now),
    first === undefined
      ? cron === undefined
        ? 'not scheduled'
        : 'no next run'
      : `next ${formatLocalTime(new Date(first))}, in ${formatDuration(Math.max(0, Date.parse(first) - now.getTime()))}`,
  ];
  return parts.join('; ');
}

function describeRunning({ node, startedAt, progress }: RunReport, now: Date): string {
  const { fraction, phase, doneBytes, totalBytes } = progress ?? {};
  const took = formatDuration(Math.max(0, now.getTime() - Date.parse(startedAt)));
  const bytes =
    doneBytes === undefined || totalBytes === undefined
      ? ''
      : ` (${formatBytes(doneBytes)} of ${formatBytes(totalBytes)})`;
  const done = fraction === undefined ? '' : `, ${Math.floor(fraction * 100)} %${bytes}`;
  return `runs on ${node} for ${took}${done}${phase === undefined ? '' : `, ${phase}`}`;
}

function describeLast(
  { state, node, startedAt, finishedAt, durationMs, backup }: RunReport,
  now: Date,
): string {
  const age = formatAge(new Date(finishedAt ?? startedAt), now);
  const took = durationMs === undefined ? '' : `, took ${formatDuration(durationMs)}`;
  const words = { ok: 'ok', warnings: 'warnings', failed: 'failed', running: 'unfinished' }[state];
  return `${words} ${age} on ${node}${took}${backup === undefined ? '' : `, ${backup}`}`;
}
