import { describe, expect, it } from 'vitest';
import { createDaemonLog } from '../../../src/daemon/log.ts';
import { PressureGauge } from '../../../src/daemon/pressure.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';

const RETRY: PgarcEvent = {
  type: 'storeRetry',
  operation: 'PutObject',
  attempt: 1,
  delayMs: 1,
  reason: 'refused',
};
const PUSHED: PgarcEvent = { type: 'walPushed', name: 'x', bytes: 1, storedBytes: 1, durationMs: 1 };

function makeGauge() {
  const told: PgarcEvent[] = [];
  let time = 0;
  const gauge = new PressureGauge({ emit: (event) => told.push(event), now: () => time });
  return {
    told,
    /** Time passes; the store fails or answers every second. */
    pass(seconds: number, event?: PgarcEvent) {
      for (let second = 0; second < seconds; second++) {
        time += 1000;
        if (event !== undefined) gauge.hear(event);
        gauge.tick();
      }
    },
    hear: (event: PgarcEvent) => gauge.hear(event),
  };
}

describe('a store that is down for an hour', () => {
  it('is told of once a minute, and once when it is back', () => {
    const { told, pass, hear } = makeGauge();
    hear({ type: 'walBacklog', files: 17 });
    pass(3600, RETRY);
    expect(told).toHaveLength(60);
    expect(told[0]).toEqual({ type: 'storeDown', downMs: 10_000, reason: 'refused', waiting: 17 });
    told.length = 0;
    pass(100, PUSHED);
    expect(told).toEqual([{ type: 'storeUp', downMs: 3_600_000, waiting: 17 }]);
  });

  it('is not told of when it was a hiccup, or when nothing was asked of it since', () => {
    const { told, pass } = makeGauge();
    pass(8, RETRY);
    pass(100, PUSHED);
    expect(told).toEqual([]);
    pass(20, RETRY);
    pass(1000);
    // For two minutes it may still be down.
    expect(told.map(({ type }) => type)).toEqual(['storeDown', 'storeDown', 'storeDown']);
    pass(1, PUSHED);
    expect(told).toHaveLength(3);
  });

  it('is known from failed pushes too, but not from files it refuses', () => {
    const { told, pass } = makeGauge();
    const failed = { type: 'walPushFailed', name: 'x', ahead: true, message: 'm' } as const;
    pass(5, { ...failed, code: 'store-unreachable' });
    pass(20, { ...failed, code: 'wal-conflict' });
    expect(told).toEqual([]);
    pass(20, { ...failed, code: 'store-unreachable' });
    expect(told).toHaveLength(1);
  });

  it('is not taken for one that is back because of a file it was never asked about', () => {
    const { told, pass } = makeGauge();
    const failed = { type: 'walPushFailed', name: 'x', ahead: true, message: 'm' } as const;
    pass(20, RETRY);
    for (const code of ['wal-invalid', 'failed', 'no-space'] as const) pass(1, { ...failed, code });
    expect(told.map(({ type }) => type)).toEqual(['storeDown']);
    pass(1, { ...failed, code: 'wal-conflict' });
    expect(told.map(({ type }) => type)).toEqual(['storeDown', 'storeUp']);
  });
});

it('the log leaves out what comes by the hundred', () => {
  const told: PgarcEvent[] = [];
  let time = 0;
  const log = createDaemonLog(
    (event) => told.push(event),
    () => time,
  );
  const failed = {
    type: 'walPushFailed',
    name: 'a',
    ahead: true,
    code: 'wal-conflict',
    message: 'm',
  } as const;
  for (let minute = 0; minute < 3; minute++) {
    for (let second = 0; second < 60; second++) {
      log(RETRY);
      log({ ...failed, code: 'store-unreachable' });
      log(failed);
      time += 1000;
    }
  }
  log({ ...failed, name: 'b' });
  log(PUSHED);
  expect(told.map((event) => ('name' in event ? event.name : event.type))).toEqual(['a', 'a', 'a', 'b', 'x']);
});
