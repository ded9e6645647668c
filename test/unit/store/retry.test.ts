import { expect, test } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { backOff, retry } from '../../../src/store/retry.ts';

const passing = () => new PgarcError('store-unreachable', 'away for a while', { details: { reason: '503' } });

function collect(): { events: PgarcEvent[]; emit: (event: PgarcEvent) => void } {
  const events: PgarcEvent[] = [];
  return { events, emit: (event) => events.push(event) };
}

test('the wait doubles up to a bound, with full jitter', () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 20].map((number) => backOff(number, () => 1));
  expect(longest).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  expect(backOff(5, () => 0)).toBe(0);
  expect(backOff(5, () => 0.5)).toBe(1600);
});

test('is tried again until it succeeds, and each repeat is told', async () => {
  const { events, emit } = collect();
  let calls = 0;
  const result = await retry({ operation: 'PutObject x', totalMs: 5_000, emit }, async ({ number }) => {
    calls += 1;
    expect(number).toBe(calls);
    if (calls < 3) throw passing();
    return 'done';
  });
  expect(result).toBe('done');
  expect(events).toMatchObject([
    { type: 'storeRetry', operation: 'PutObject x', attempt: 1, reason: '503' },
    { type: 'storeRetry', operation: 'PutObject x', attempt: 2, reason: '503' },
  ]);
});

test('time is used up and not exceeded, and the error says how often it was tried', async () => {
  const { events, emit } = collect();
  const begin = performance.now();
  const outcome = retry({ operation: 'x', totalMs: 300, emit }, () => Promise.reject(passing()));
  await expect(outcome).rejects.toThrow(/^away for a while \(tried \d+ times in \d+\.\d s\)$/);
  expect(performance.now() - begin).toBeGreaterThan(290);
  // What it meant to wait, whatever the machine made of it.
  const waits = events.map((event) => (event.type === 'storeRetry' ? event.delayMs : 0));
  expect(waits.length).toBeGreaterThan(0);
  expect(waits.reduce((sum, wait) => sum + wait)).toBeLessThan(310);
});

test.each([
  new PgarcError('store-unreachable', 'denied', { retryable: false }),
  new PgarcError('object-damaged', 'damaged'),
  new Error('anything else'),
])('is not tried again: %s', async (error) => {
  const { events, emit } = collect();
  await expect(retry({ operation: 'x', totalMs: 5_000, emit }, () => Promise.reject(error))).rejects.toBe(
    error,
  );
  expect(events).toEqual([]);
});

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('interrupted');
  const emit = () => controller.abort(reason);
  const options = { operation: 'x', totalMs: 60_000, emit, signal: controller.signal };
  await expect(retry(options, () => Promise.reject(passing()))).rejects.toBe(reason);
});
