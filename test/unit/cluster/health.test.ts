import { describe, expect, it } from 'vitest';
import { EtcdHealth } from '../../../src/cluster/health.ts';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';

function make() {
  const told: PgarcEvent[] = [];
  const clock = { now: 0 };
  const health = new EtcdHealth(
    (event) => told.push(event),
    () => clock.now,
  );
  return { told, clock, health };
}
const fault = (reason: string) =>
  new PgarcError('etcd-unreachable', `it is ${reason}`, { details: { reason } });

describe('what is told of etcd', () => {
  it('is nothing of a moment’s silence', () => {
    const { told, clock, health } = make();
    health.noteFailure(fault('unreachable'));
    clock.now = 4999;
    health.noteFailure(fault('unreachable'));
    health.noteSuccess(false);
    clock.now = 9000;
    health.noteFailure(fault('unreachable'));
    expect(told).toEqual([]);
  });

  it('is one line when it goes and one when it is back, from when it began', () => {
    const { told, clock, health } = make();
    for (clock.now = 1000; clock.now < 60_000; clock.now += 1000) health.noteFailure(fault('unreachable'));
    clock.now = 61_000;
    health.noteSuccess(false);
    health.noteSuccess(true);
    expect(told).toEqual([
      { type: 'etcdDown', reason: 'it is unreachable' },
      { type: 'etcdUp', downMs: 60_000 },
    ]);
  });

  it('is at once that it is full, until a write succeeds', () => {
    const { told, clock, health } = make();
    health.noteFailure(fault('full'));
    health.noteSuccess(false);
    health.noteFailure(fault('full'));
    clock.now = 100;
    health.noteSuccess(true);
    expect(told).toEqual([
      { type: 'etcdDown', reason: 'it is full' },
      { type: 'etcdUp', downMs: 100 },
    ]);
  });

  it('is nothing of what a single request met', () => {
    const { told, health } = make();
    for (const reason of ['lease', 'refused']) health.noteFailure(fault(reason));
    health.noteFailure(new Error('another'));
    expect(told).toEqual([]);
  });

  it('is once that a right is missing', () => {
    const { told, health } = make();
    health.noteFailure(fault('denied'));
    health.noteSuccess(true);
    health.noteFailure(fault('denied'));
    expect(told).toMatchObject([{ type: 'warning', message: 'it is denied' }]);
  });

  it('is that it was emptied, but not of answers in another order', () => {
    const { told, health } = make();
    health.noteRevision(10n, 0n);
    const slow = health.revision;
    health.noteRevision(12n, health.revision);
    health.noteRevision(11n, slow);
    expect(health.revision).toBe(12n);
    expect(told).toEqual([]);
    health.noteRevision(2n, health.revision);
    health.noteRevision(3n, health.revision);
    expect(told).toEqual([{ type: 'etcdWiped' }]);
  });
});
