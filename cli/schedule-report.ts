import { formatBytes, formatCount, formatDuration, formatPercent } from '../src/report/units.ts';
import type { JobReport, RunReport, ScheduleReport } from '../src/schedule/report.ts';
import { renderTable } from './render-table.ts';

/** What `schedule` prints: a table of the jobs, then what is to be told of single ones, then who runs them. */
export function renderSchedule(report: ScheduleReport): string {
  const rows = report.jobs.map((job) => {
    const { cron, timeZone, last, next } = job;
    return [
      job.job,
      cron ?? '-',
      cron === undefined ? '-' : timeZone,
      last === undefined ? 'never' : `${last.state} ${formatIn(timeZone, last.startedAt)}`,
      last?.durationMs === undefined ? '-' : formatDuration(last.durationMs),
      next.length === 0 ? '-' : next.map((run) => formatIn(timeZone, run)).join(', '),
    ];
  });
  const header = ['job', 'cron', 'time zone', 'last run', 'took', 'next runs'];
  const notes = report.jobs.flatMap(describeNotes).map((note) => `${note}\n`);
  return `${renderTable(header, rows)}\n${notes.join('')}${describePlace(report)}\n`;
}

function describeNotes({ job, running, last, timeZone, retryAt }: JobReport): string[] {
  const notes: string[] = [];
  if (running !== undefined) notes.push(`${job} runs on ${running.node}${describeProgress(running)}.`);
  if (last?.message !== undefined) {
    const verb = last.state === 'failed' ? 'failed' : 'has warnings';
    const retry = retryAt === undefined ? '' : `; tried again at ${formatIn(timeZone, retryAt, true)}`;
    const count = last.attempt > 1 ? ` in attempt ${last.attempt}` : '';
    notes.push(`${job} ${verb}${count} on ${last.node}: ${last.message}${retry}.`);
  }
  if (last?.backup !== undefined && job === 'backup') notes.push(`backup: ${last.backup}.`);
  if (last?.deleted !== undefined) {
    const { backups, segments, bytes } = last.deleted;
    notes.push(
      `retain deleted ${formatCount(backups, 'backup')} and ${formatCount(segments, 'WAL segment')}, ${formatBytes(bytes)}.`,
    );
  }
  return notes;
}

function describeProgress({ progress, attempt }: RunReport): string {
  const parts = [
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(progress?.fraction === undefined ? [] : [formatPercent(progress.fraction, 1)]),
    ...(progress?.phase === undefined ? [] : [progress.phase]),
  ];
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

/** Where it was read, and who leads. */
function describePlace({ source, etcd, leader, isLeader, node }: ScheduleReport): string {
  if (etcd === 'unreachable')
    return `From the spool of ${node}; etcd does not answer, so who leads is not known.`;
  if (source === 'spool') {
    return leader === undefined
      ? `From the spool of ${node}; no daemon runs here, so nothing is started.`
      : `From the spool of ${node}, whose daemon runs the jobs.`;
  }
  if (leader === undefined) return 'From etcd; no daemon leads just now, so nothing is started.';
  return `From etcd; the jobs run on ${leader}${isLeader ? ', this node' : ''}.`;
}

/** Local time of a zone, as `2026-11-21 02:30`. */
function formatIn(timeZone: string, moment: string, withSeconds = false): string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: withSeconds ? 'medium' : 'short',
  });
  return format.format(new Date(moment));
}
