import { afterEach, expect, it, vi } from 'vitest';
import type { Etcd } from '../../../src/cluster/etcd.ts';
import { holdLease } from '../../../src/cluster/lease.ts';

const TTL = 6000;
const LOST_AFTER = 4000;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('is lost in time when etcd hangs, also after a timer that came early', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const silent = { grantLease: async () => 'id', keepAlive: () => new Promise(() => undefined) };
  const { signal } = new AbortController();
  const lease = await holdLease(silent as unknown as Etcd, TTL, signal);
  // The timer's clock is ahead of the one that counts.
  now += LOST_AFTER - 10;
  vi.advanceTimersByTime(LOST_AFTER + 1);
  expect(lease.lost.aborted).toBe(false);
  now += 10;
  vi.advanceTimersByTime(11);
  expect(lease.lost.reason).toMatchObject({ code: 'etcd-unreachable', retryable: true });
});
