import { setTimeout as sleep } from 'node:timers/promises';
import { isPgarcError, PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';

/** Longest wait before the first repeat, ms; doubles with each one. */
const BASE_MS = 200;
/** Longest wait between two attempts, ms. */
const CAP_MS = 10_000;
/** An attempt that begins late still gets this long, ms. */
const SHORTEST_ATTEMPT_MS = 1_000;

export interface RetryOptions {
  /** What is tried, for the event: `PutObject wal_005/…`. */
  operation: string;
  /** How long it is tried as a whole, ms. */
  totalMs: number;
  emit: Emit;
  signal?: AbortSignal | undefined;
}

/** What an attempt is told. */
export interface Attempt {
  /** From 1. */
  number: number;
  /** ms left of the whole, at least a second. */
  remainingMs: number;
}

/**
 * Wait before attempt `number + 1`, ms: exponential back-off with full jitter (any time between nothing and
 * the bound), so that many clients of a store that comes back do not all come at once.
 */
export function backOff(number: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(CAP_MS, BASE_MS * 2 ** (number - 1)));
}

/**
 * Runs `attempt` until it succeeds, fails for good, or time is up. The one layer of retries between pgarc and
 * a store: repeats what failed with a retryable `store-unreachable` and tells each repeat by an event.
 * @throws the error of the last attempt, or the signal's reason
 */
export async function retry<T>(options: RetryOptions, attempt: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { signal, totalMs } = options;
  const begin = performance.now();
  const elapsed = () => performance.now() - begin;
  for (let number = 1; ; number++) {
    signal?.throwIfAborted();
    try {
      const remainingMs = Math.max(SHORTEST_ATTEMPT_MS, totalMs - elapsed());
      return await attempt({ number, remainingMs });
    } catch (error) {
      signal?.throwIfAborted();
      if (!isWorthRetrying(error)) throw error;
      const remaining = totalMs - elapsed();
      if (remaining <= 0) throw giveUp(error, number, elapsed());
      // The last wait is cut short, so that the whole time is used and not exceeded.
      const delayMs = Math.min(backOff(number), remaining);
      tellRetry(options, number, delayMs, error);
      await pause(delayMs, signal);
    }
  }
}

/** Tells that an operation is tried again. */
export function tellRetry(
  { emit, operation }: Pick<RetryOptions, 'emit' | 'operation'>,
  attempt: number,
  delayMs: number,
  error: PgarcError,
): void {
  const reason = typeof error.details?.reason === 'string' ? error.details.reason : error.message;
  emit({ type: 'storeRetry', operation, attempt, delayMs: Math.round(delayMs), reason });
}

/** Whether the same request may well succeed later. */
export function isWorthRetrying(error: unknown): error is PgarcError {
  return isPgarcError(error, 'store-unreachable') && error.retryable;
}

/** Waits. @throws the signal's reason as soon as it aborts */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Says in the error how often and how long it was tried. */
export function giveUp(error: PgarcError, attempts: number, elapsedMs: number): PgarcError {
  if (attempts === 1) return error;
  const tried = `tried ${attempts} times in ${(elapsedMs / 1000).toFixed(elapsedMs < 10_000 ? 1 : 0)} s`;
  return new PgarcError(error.code, `${error.message} (${tried})`, {
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error.details, attempts },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
