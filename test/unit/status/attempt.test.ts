import { expect, it } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import { attempt } from '../../../src/status/attempt.ts';

const NEVER = new AbortController().signal;

it('tells what was said, what failed, and that there is nothing to ask', async () => {
  expect(await attempt(60_000, NEVER, async () => 1)).toEqual({ state: 'ok', value: 1 });
  expect(await attempt(60_000, NEVER, async () => undefined)).toEqual({ state: 'none' });
  const error = new PgarcError('etcd-unreachable', 'no etcd', { hint: 'Look.' });
  expect(await attempt(60_000, NEVER, async () => Promise.reject(error))).toEqual({
    state: 'failed',
    message: 'no etcd',
    hint: 'Look.',
  });
});

it('goes on without one that heeds nothing, and tells it to stop', async () => {
  let stopped: AbortSignal | undefined;
  const answer = await attempt(10, NEVER, (signal) => {
    stopped = signal;
    return new Promise<number>(() => undefined);
  });
  expect(answer).toMatchObject({ state: 'failed', message: 'no answer within 10 ms' });
  expect(stopped?.aborted).toBe(true);
});

it('says that there was no answer, whatever words the library has for it', async () => {
  const answer = await attempt(10, NEVER, (signal) => {
    return new Promise<number>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('The operation was aborted')));
    });
  });
  expect(answer).toMatchObject({ state: 'failed', message: 'no answer within 10 ms' });
});

it('throws when all of it is stopped', async () => {
  const abort = new AbortController();
  const reason = new PgarcError('interrupted', 'interrupted by SIGINT');
  const asking = attempt(60_000, abort.signal, () => new Promise<number>(() => undefined));
  abort.abort(reason);
  await expect(asking).rejects.toBe(reason);
});
