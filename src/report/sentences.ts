import type { JobRun, PgarcEvent } from './events.ts';
import { escapeControlsInLines } from './printable.ts';
import { formatPlainLine, type Level, levelOf } from './records.ts';
import { formatBytes, formatCount, formatDuration } from './units.ts';

const COLOURS: Readonly<Record<Level, string>> = { debug: '2', info: '0', warning: '33', error: '31' };

/** An event as a line on a terminal: what happened in words, severity in front when there is some. */
export function formatSentence(event: PgarcEvent, colors: boolean): string {
  const level = levelOf(event);
  const label = level === 'warning' || level === 'error' ? `${level}: ` : '';
  const shownLabel = colors && label !== '' ? `\x1b[${COLOURS[level]}m${label}\x1b[0m` : label;
  return `${shownLabel}${escapeControlsInLines(describe(event))}\n`;
}

function describe(event: PgarcEvent): string {
  switch (event.type) {
    case 'walPushed': {
      const sizes = `${formatBytes(event.bytes)} as ${formatBytes(event.storedBytes)}`;
      return `archived ${event.name} (${sizes}, ${formatDuration(event.durationMs)})`;
    }
    case 'walAlreadyStored':
      return `${event.name} is already in the archive`;
    case 'walFetched':
      return `restored ${event.name} (${formatBytes(event.bytes)}, ${formatDuration(event.durationMs)})`;
    case 'storeRetry':
      return `${event.operation} failed, attempt ${event.attempt}: ${event.reason}; again in ${formatDuration(event.delayMs)}`;
    case 'phase':
      return event.text;
    case 'pageDamaged':
      return `damaged page: ${event.file}, block ${event.block}: checksum ${event.found}, expected ${event.expected}`;
    case 'note':
      return event.message;
    case 'replicaDecision':
    case 'warning':
      return event.hint === undefined ? event.message : `${event.message}\n  hint: ${event.hint}`;
    case 'daemonReady':
      return `serving ${event.pgdata} on ${event.socket}`;
    case 'daemonWaiting':
      return `waiting for a cluster in ${event.pgdata}`;
    case 'daemonStopping':
      return `stopping, ${formatCount(event.uploads, 'upload')} under way`;
    case 'walPushFailed':
      return `${event.name} is not archived: ${event.message}`;
    case 'walFetchFailed':
      return `${event.name} is not restored: ${event.message}`;
    case 'httpListening':
      return `answering HTTP at ${event.url}`;
    case 'storeDown':
      return `the store has not answered for ${formatDuration(event.downMs)}${describeWaiting(event)}: ${event.reason}`;
    case 'storeUp':
      return `the store answers again after ${formatDuration(event.downMs)}${describeWaiting(event)}`;
    case 'jobStarted':
      return `${describeRun(event)} starts`;
    case 'jobFinished':
      return `${describeRun(event)} is done (${formatDuration(event.durationMs)})${describeResult(event)}`;
    case 'jobFailed': {
      const retry = event.retryInMs === undefined ? '' : `; again in ${formatDuration(event.retryInMs)}`;
      const hint = event.hint === undefined ? '' : `\n  hint: ${event.hint}`;
      return `${describeRun(event)} failed after ${formatDuration(event.durationMs)}: ${event.message}${retry}${hint}`;
    }
    case 'jobLate':
      return `${describeRun(event)} takes longer than ${formatDuration(event.maxDurationMs)}`;
    case 'jobMissed':
      return `the ${event.job} of ${event.scheduledFor} was missed`;
    case 'leadershipChanged':
      if (event.leader === undefined) return 'no node runs the scheduled jobs';
      return event.isLeader
        ? 'this node runs the scheduled jobs'
        : `the scheduled jobs run on ${event.leader}`;
    case 'etcdDown':
      return `${event.reason}; archiving goes on, scheduled jobs wait`;
    case 'etcdWiped':
      return 'etcd has lost what it held; what pgarc keeps there is written anew';
    case 'etcdUp':
      return `etcd is back after ${formatDuration(event.downMs)}`;
    default:
      // An event nobody has put into words yet: its name and fields.
      return formatPlainLine(event, new Date(0)).split(' ').slice(2).join(' ').trimEnd();
  }
}

function describeRun({ job, scheduledFor, attempt }: JobRun): string {
  return `${job} of ${scheduledFor}${attempt > 1 ? `, attempt ${attempt},` : ''}`;
}

function describeResult(event: Extract<PgarcEvent, { type: 'jobFinished' }>): string {
  const { backup, deleted, message } = event;
  const parts = [
    ...(backup === undefined ? [] : [backup]),
    ...(deleted === undefined
      ? []
      : [
          `${formatCount(deleted.backups, 'backup')} and ${formatCount(deleted.segments, 'WAL segment')} deleted, ${formatBytes(deleted.bytes)}`,
        ]),
    ...(message === undefined ? [] : [message]),
  ];
  return parts.length === 0 ? '' : `: ${parts.join('; ')}`;
}

function describeWaiting({ waiting }: { waiting: number | undefined }): string {
  if (waiting === undefined) return '';
  return `, ${formatCount(waiting, 'file')} ${waiting === 1 ? 'waits' : 'wait'}`;
}
