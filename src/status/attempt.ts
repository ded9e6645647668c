import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import { formatDuration } from '../report/units.ts';
import type { Answer } from './facts.ts';

/**
 * Asks a source, and goes on without it when its time is over, also when it does not heed the signal.
 * @param work undefined: there is nothing to ask
 * @param limit ms
 */
export async function attempt<T>(
  limit: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<Answer<T>> {
  const own = new AbortController();
  const combined = AbortSignal.any([signal, own.signal]);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(combined.reason);
  combined.addEventListener('abort', onAbort, { once: true });
  const stop = () => own.abort(new PgarcError('interrupted', `no answer within ${formatDuration(limit)}`));
  // An answer that has arrived while this process was busy is read first.
  const timer = setTimeout(() => setImmediate(() => setImmediate(stop)), limit);
  try {
    signal.throwIfAborted();
    const working = work(combined);
    // What it still says when nobody waits is of no interest.
    working.catch(() => undefined);
    const value = await Promise.race([working, stopped]);
    return value === undefined ? { state: 'none' } : { state: 'ok', value };
  } catch (error) {
    signal.throwIfAborted();
    // A library's own words for an abort say nothing.
    const cause = own.signal.aborted ? own.signal.reason : error;
    const hint = isPgarcError(cause) ? cause.hint : undefined;
    return { state: 'failed', message: messageOf(cause), hint };
  } finally {
    clearTimeout(timer);
    combined.removeEventListener('abort', onAbort);
    own.abort(new PgarcError('interrupted', 'nobody waits any more'));
  }
}
