import type { Settings } from '../config/settings.ts';
import type { PgarcEvent } from './events.ts';

export type Level = Settings['logLevel'];

const SEVERITY: Readonly<Record<Level, number>> = { debug: 0, info: 1, warning: 2, error: 3 };

/** Events that are not `info`. */
const LEVELS: Readonly<Partial<Record<PgarcEvent['type'], Level>>> = {
  storeRetry: 'warning',
  warning: 'warning',
  pageDamaged: 'error',
  walPushFailed: 'warning',
  walBacklog: 'debug',
  backupsListed: 'debug',
  archiveScanned: 'debug',
  walPrefetched: 'debug',
  walTaken: 'debug',
  storeRequest: 'debug',
  walFetchFailed: 'warning',
  storeDown: 'error',
  etcdDown: 'error',
  etcdWiped: 'warning',
  jobFailed: 'error',
  jobLate: 'warning',
  jobMissed: 'warning',
};

/** The level by the type of the event, except for a job that ended with warnings. */
export function levelOf(event: PgarcEvent): Level {
  if (event.type === 'jobFinished' && event.outcome === 'warnings') return 'warning';
  return LEVELS[event.type] ?? 'info';
}

/** Whether an event is severe enough to be told. */
export function isTold(event: PgarcEvent, least: Level): boolean {
  return SEVERITY[levelOf(event)] >= SEVERITY[least];
}

/**
 * A log line: `2026-11-21T14:03:09.120Z info walPushed name=0000… bytes=16777216`. Every field of the event is
 * there under its own name; values with blanks or quotes are JSON strings.
 */
export function formatPlainLine(event: PgarcEvent, time: Date): string {
  const fields = Object.entries(event)
    .filter(([name, value]) => name !== 'type' && value !== undefined)
    .map(([name, value]) => ` ${name}=${formatValue(value)}`);
  return `${time.toISOString()} ${levelOf(event)} ${event.type}${fields.join('')}\n`;
}

/** The same line as one JSON object: `time`, `level`, `event`, then the event's fields. */
export function formatJsonLine(event: PgarcEvent, time: Date): string {
  const { type, ...fields } = event;
  const line = { time: time.toISOString(), level: levelOf(event), event: type, ...fields };
  return `${JSON.stringify(line, (_, value: unknown) => simplify(value))}\n`;
}

/** Bigints as text, fractions (of milliseconds) with one digit. */
function simplify(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'number' ? Math.round(value * 10) / 10 : value;
}

function formatValue(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  const text = typeof value === 'object' ? JSON.stringify(value) : String(simplify(value));
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}
