import type { RunRecord } from '../cluster/runs.ts';
import { type ErrorCode, isPgarcError, messageOf } from '../errors.ts';
import type { Deleted, JobName, RunProgress, RunReport } from './report.ts';

/** The last run of a job, as it is kept in etcd and in the spool. Times RFC 3339, durations ms. */
export interface JobRecord extends RunRecord {
  /** A failed run is tried again then, unless its next scheduled time comes first. */
  retryAt?: string;
  /** Asked for by a person, who sees how it ends: never tried again by itself. */
  byHand?: true;
  /** Of a run by hand: the scheduled times up to this one need no run, should this one fail. */
  settled?: string;
  /** What retention deleted. */
  deleted?: Deleted;
  /** While it runs: how the run before it ended. */
  previous?: RunReport;
}

/** What a run came to. */
export interface JobResult {
  outcome: 'ok' | 'warnings';
  message?: string | undefined;
  backup?: string | undefined;
  deleted?: Deleted | undefined;
}

/** Most runs for one scheduled time. */
export const MOST_ATTEMPTS = 5;
/** Before the second attempt, ms; then twice as long each time. */
const FIRST_PAUSE = 30_000;

/** A run that starts. */
export function startRecord(
  run: { job: JobName; node: string; scheduledFor: Date; attempt: number; byHand: boolean },
  previous: JobRecord | undefined,
  now: Date,
): JobRecord {
  const { job, node, scheduledFor, attempt, byHand } = run;
  const last = lastEnded(previous);
  return {
    job,
    scheduledFor: scheduledFor.toISOString(),
    attempt,
    node,
    state: 'running',
    startedAt: now.toISOString(),
    ...(byHand ? { byHand, ...settledBefore(previous) } : {}),
    ...(last === undefined ? {} : { previous: last }),
  };
}

/** The scheduled times up to this moment need no run, ms since 1970: one by hand that failed takes no other's place. */
export function settledBy({ byHand, state, settled, scheduledFor }: JobRecord): number {
  return Date.parse(byHand === true && state === 'failed' ? (settled ?? scheduledFor) : scheduledFor);
}

/** A run by hand that fails leaves the one before it, which was to be tried again, due. */
function settledBefore(previous: JobRecord | undefined): { settled?: string } {
  if (previous === undefined) return {};
  const isOpen = previous.byHand !== true && (previous.state === 'running' || previous.retryAt !== undefined);
  return { settled: new Date(settledBy(previous) - (isOpen ? 1 : 0)).toISOString() };
}

/** The same run, ended well. */
export function finishRecord(record: JobRecord, result: JobResult, now: Date, durationMs: number): JobRecord {
  const { progress: _, previous: __, ...rest } = record;
  const { outcome, message, backup, deleted } = result;
  return {
    ...rest,
    state: outcome,
    finishedAt: now.toISOString(),
    durationMs,
    ...(message === undefined ? {} : { message }),
    ...(backup === undefined ? {} : { backup }),
    ...(deleted === undefined ? {} : { deleted }),
  };
}

/** The same run, failed; tried again after a pause when that may help. */
export function failRecord(record: JobRecord, error: unknown, now: Date, durationMs: number): JobRecord {
  const retryable = isPgarcError(error) && error.retryable;
  const failure = { message: messageOf(error), retryable, pause: pauseAfter(record.attempt) };
  return endFailed(record, failure, now, durationMs);
}

/** A run whose node is gone: its lock is free and its record says that it runs. Tried again at once. */
export function loseRecord(record: JobRecord, now: Date): JobRecord {
  const durationMs = Math.max(0, now.getTime() - Date.parse(record.startedAt));
  const message = `node ${record.node} was lost while it ran`;
  return endFailed(record, { message, retryable: true, pause: 0 }, now, durationMs);
}

/** Pause before the next attempt, ms. @param attempt that failed */
export function pauseAfter(attempt: number): number {
  return FIRST_PAUSE * 2 ** (attempt - 1);
}

/** The code of what a run threw; `failed` for an error that is none of pgarc's own. */
export function errorCodeOf(error: unknown): ErrorCode {
  return isPgarcError(error) ? error.code : 'failed';
}

/** The last run that has ended, as far as a record knows. */
export function lastEnded(record: JobRecord | undefined): RunReport | undefined {
  return record?.state === 'running' ? record.previous : record && reportRun(record);
}

/** A record as people and programs are told of it. */
export function reportRun(record: JobRecord, progress?: RunProgress): RunReport {
  const { scheduledFor, attempt, node, state, startedAt, finishedAt, durationMs, message, backup, deleted } =
    record;
  const known = progress ?? (record.progress === undefined ? undefined : { fraction: record.progress });
  return {
    scheduledFor,
    attempt,
    node,
    state,
    startedAt,
    finishedAt,
    durationMs,
    message,
    backup,
    deleted,
    ...(state === 'running' && known !== undefined ? { progress: known } : {}),
  };
}

interface Failure {
  message: string;
  retryable: boolean;
  /** Before the next attempt, if there is one, ms. */
  pause: number;
}

function endFailed(
  record: JobRecord,
  { message, retryable, pause }: Failure,
  now: Date,
  durationMs: number,
): JobRecord {
  const { progress: _, previous: __, ...rest } = record;
  const again = retryable && record.byHand !== true && record.attempt < MOST_ATTEMPTS;
  return {
    ...rest,
    state: 'failed',
    finishedAt: now.toISOString(),
    durationMs,
    message,
    retryable,
    ...(again ? { retryAt: new Date(now.getTime() + pause).toISOString() } : {}),
  };
}
