import { PgarcError } from '../errors.ts';
import type { Emit, JobRun, PgarcEvent } from '../report/events.ts';
import type { JobBook, JobLock } from './job-book.ts';
import {
  errorCodeOf,
  failRecord,
  finishRecord,
  type JobRecord,
  type JobResult,
  startRecord,
} from './job-record.ts';
import type { JobName, RunProgress } from './report.ts';

/** What an operation gets of the run it does. */
export interface RunContext {
  emit: Emit;
  /** To be asked before a step that cannot be undone. @throws PgarcError when another may have taken over */
  assertHeld(signal: AbortSignal): Promise<void>;
}

/** Does the work of a job. @throws PgarcError */
export type Operate = (job: JobName, context: RunContext, signal: AbortSignal) => Promise<JobResult>;

export interface Clock {
  /** The clock on the wall. */
  now(): Date;
  /** ms, by a clock that nobody sets. */
  elapsed(): number;
}

export const SYSTEM_CLOCK: Clock = { now: () => new Date(), elapsed: () => performance.now() };

export interface RunJobDeps {
  book: JobBook;
  operate: Operate;
  /** This node's name. */
  node: string;
  emit: Emit;
  clock: Clock;
}

/** A run that is under way in this process. */
export class ActiveRun {
  readonly record: JobRecord;
  readonly startedAt: number;
  progress: RunProgress = { fraction: undefined };

  constructor(record: JobRecord, startedAt: number) {
    this.record = record;
    this.startedAt = startedAt;
  }

  /** Of its events. */
  get run(): JobRun {
    const { job, node, scheduledFor, attempt } = this.record;
    return { job, node, scheduledFor, attempt };
  }

  hear(event: PgarcEvent): void {
    if (event.type === 'phase') this.progress = { ...this.progress, phase: event.text };
    if (event.type !== 'progress') return;
    const { doneBytes, totalBytes } = event;
    const fraction =
      totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(1, doneBytes / totalBytes);
    this.progress = { ...this.progress, fraction, doneBytes, totalBytes };
  }
}

export interface RunRequest {
  job: JobName;
  scheduledFor: Date;
  attempt: number;
  byHand: boolean;
  /** Asked once the lock is held: whether the run is still due after what the book says. */
  isDue(record: JobRecord | undefined): boolean;
  /** Told when it has begun. */
  onStart?(active: ActiveRun): void;
}

/** How a run ended. `record` is what the book should say; `saved`: it does. */
export interface EndedRun {
  record: JobRecord;
  saved: boolean;
  error: unknown;
}

/** Writing how a run ended may take so long, ms, while the lock is held. */
const SAVE_LIMIT = 10_000;
/** And so long when it was lost: most likely etcd is away, and the record is written when it is back. */
const LOST_SAVE_LIMIT = 2000;

/**
 * Runs a job under its lock and writes it down before and after.
 * @returns undefined when it was not due any more
 * @throws PgarcError `locked` when it runs elsewhere, `etcd-unreachable`; nothing was begun then
 */
export async function runJob(
  deps: RunJobDeps,
  request: RunRequest,
  signal: AbortSignal,
): Promise<EndedRun | undefined> {
  const { book, node, emit, clock } = deps;
  const lock = await book.lock(request.job, signal);
  try {
    const held = AbortSignal.any([signal, lock.lost]);
    const read = await book.read(request.job, held);
    if (!request.isDue(read.record)) return undefined;
    const started = startRecord({ ...request, node }, read.record, clock.now());
    if (!(await book.write(started, read.revision, held))) return undefined;
    const active = new ActiveRun(started, clock.elapsed());
    request.onStart?.(active);
    emit({ type: 'jobStarted', ...active.run });
    const { record, result, error } = await work(deps, active, lock, held);
    const saved = await save(book, record, lock.lost.aborted ? LOST_SAVE_LIMIT : SAVE_LIMIT);
    tell(emit, active, record, result, error, clock);
    return { record, saved, error };
  } finally {
    await lock.release();
  }
}

async function work(
  deps: RunJobDeps,
  active: ActiveRun,
  lock: JobLock,
  held: AbortSignal,
): Promise<{ record: JobRecord; result?: JobResult; error?: unknown }> {
  const { clock, operate } = deps;
  const emit: Emit = (event) => {
    active.hear(event);
    deps.emit(event);
  };
  const duration = () => Math.round(clock.elapsed() - active.startedAt);
  try {
    held.throwIfAborted();
    const context = { emit, assertHeld: (signal: AbortSignal) => lock.assertHeld(signal) };
    const result = await operate(active.record.job, context, held);
    return { record: finishRecord(active.record, result, clock.now(), duration()), result };
  } catch (thrown) {
    // Why it was stopped tells more than what that led to.
    const error = held.aborted && held.reason instanceof PgarcError ? held.reason : thrown;
    return { record: failRecord(active.record, error, clock.now(), duration()), error };
  }
}

/** @returns false when the book cannot be written now, or another wrote into it */
async function save(book: JobBook, record: JobRecord, limit: number): Promise<boolean> {
  const signal = AbortSignal.timeout(limit);
  try {
    const found = await book.read(record.job, signal);
    if (found.record !== undefined && !isSameRun(found.record, record)) return false;
    return await book.write(record, found.revision, signal);
  } catch {
    return false;
  }
}

/** Whether two records speak of the same run. */
export function isSameRun(one: JobRecord, other: JobRecord): boolean {
  return (
    one.job === other.job &&
    one.scheduledFor === other.scheduledFor &&
    one.attempt === other.attempt &&
    one.node === other.node
  );
}

function tell(
  emit: Emit,
  active: ActiveRun,
  record: JobRecord,
  result: JobResult | undefined,
  error: unknown,
  clock: Clock,
): void {
  const durationMs = record.durationMs ?? 0;
  if (result !== undefined) {
    emit({ type: 'jobFinished', ...active.run, durationMs, ...result });
    return;
  }
  const hint = error instanceof PgarcError ? error.hint : undefined;
  const retryInMs =
    record.retryAt === undefined
      ? undefined
      : Math.max(0, Date.parse(record.retryAt) - clock.now().getTime());
  emit({
    type: 'jobFailed',
    ...active.run,
    durationMs,
    outcome: 'failed',
    code: errorCodeOf(error),
    message: record.message ?? '',
    hint,
    retryInMs,
  });
}
