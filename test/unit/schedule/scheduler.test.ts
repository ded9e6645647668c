import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { createCron } from '../../../src/schedule/cron.ts';
import type { JobBook } from '../../../src/schedule/job-book.ts';
import type { JobResult } from '../../../src/schedule/job-record.ts';
import type { Job } from '../../../src/schedule/jobs.ts';
import type { Operate } from '../../../src/schedule/run-job.ts';
import { Scheduler } from '../../../src/schedule/scheduler.ts';
import { createSpoolBook } from '../../../src/schedule/spool-book.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

const NEVER = new AbortController().signal;

/** A clock that a test sets. */
class TestClock {
  wall: number;
  monotonic = 0;

  constructor(time: string) {
    this.wall = Date.parse(time);
  }
  now = () => new Date(this.wall);
  elapsed = () => this.monotonic;
  /** Time passes. */
  pass(seconds: number): void {
    this.wall += seconds * 1000;
    this.monotonic += seconds * 1000;
  }
  /** Somebody sets the clock, or the machine slept. */
  set(time: string): void {
    this.wall = Date.parse(time);
  }
}

function backup(cron: string, more: Partial<Job> = {}): Job {
  return {
    name: 'backup',
    cron: createCron(cron, 'Europe/Berlin'),
    timeZone: 'Europe/Berlin',
    jitter: 0,
    catchUp: false,
    maxDuration: undefined,
    ...more,
  };
}

interface World {
  clock: TestClock;
  scheduler: Scheduler;
  events: PgarcEvent[];
  /** Scheduled times of the runs that began, as `HH:MM`, with the attempt after a `#` from the second on. */
  runs: string[];
  /** Ends the run under way. */
  end(result?: JobResult | Error): void;
  tick(mayStart?: boolean): Promise<void>;
  /** Ticks every second for so long. */
  live(seconds: number): Promise<void>;
}

/** A scheduler on a spool of its own, or a given one, whose runs end at once unless `slow`. */
async function makeWorld(
  time: string,
  job: Job,
  options: {
    spool?: string;
    node?: string;
    slow?: boolean;
    fails?: () => Error | undefined;
    book?: JobBook;
  } = {},
): Promise<World> {
  const spool = options.spool ?? (await makeTemporaryFolder('spool'));
  const clock = new TestClock(time);
  const events: PgarcEvent[] = [];
  const runs: string[] = [];
  let end: World['end'] = () => undefined;
  const operate: Operate = (_, __, signal) => {
    const failure = options.fails?.();
    if (failure !== undefined) return Promise.reject(failure);
    if (!options.slow) return Promise.resolve({ outcome: 'ok', backup: 'base_1' });
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      end = (result = { outcome: 'ok' }) => (result instanceof Error ? reject(result) : resolve(result));
    });
  };
  const scheduler = new Scheduler({
    jobs: [job],
    node: options.node ?? 'a',
    book: options.book ?? createSpoolBook(spool),
    operate,
    clock,
    seed: '',
    emit: (event) => {
      events.push(event);
      if (event.type !== 'jobStarted') return;
      const at = event.scheduledFor.slice(11, 16);
      runs.push(event.attempt === 1 ? at : `${at}#${event.attempt}`);
    },
  });
  const world: World = {
    clock,
    scheduler,
    events,
    runs,
    end: (result) => end(result),
    async tick(mayStart = true) {
      await scheduler.tick(mayStart, NEVER);
      if (!options.slow) await scheduler.settle();
    },
    async live(seconds) {
      for (let i = 0; i < seconds; i++) {
        clock.pass(1);
        await world.tick();
      }
    },
  };
  return world;
}

const started = (world: World, count: number) =>
  waitFor(() => world.runs.length === count, { what: `run ${count}` });

it('runs at its time, once', async () => {
  const world = await makeWorld('2026-11-21T01:29:55Z', backup('30 2 * * *'));
  await world.live(4);
  expect(world.runs).toEqual([]);
  await world.live(120);
  expect(world.runs).toEqual(['01:30']);
  expect(world.events).toContainEqual(
    expect.objectContaining({
      type: 'jobFinished',
      job: 'backup',
      outcome: 'ok',
      backup: 'base_1',
      attempt: 1,
    }),
  );
  const [job] = world.scheduler.report();
  expect(job).toMatchObject({ running: undefined, last: { state: 'ok', backup: 'base_1', node: 'a' } });
  expect(job!.next[0]).toBe('2026-11-22T01:30:00.000Z');
});

it.each([
  ['spring, when 02:30 is left out', '2026-03-28T23:00Z', '2026-03-29T06:00Z', ['01:00']],
  ['autumn, when 02:30 comes twice', '2026-10-24T22:00Z', '2026-10-25T06:00Z', ['00:30']],
])('runs once in the night of %s', async (_, from, to, expected) => {
  const world = await makeWorld(from, backup('30 2 * * *'));
  while (world.clock.wall < Date.parse(to)) {
    world.clock.pass(30);
    await world.tick();
  }
  expect(world.runs).toEqual(expected);
});

it('misses what it slept through, and tells once', async () => {
  const world = await makeWorld('2026-11-20T20:00Z', backup('30 2 * * *'));
  await world.tick();
  world.clock.set('2026-11-21T08:00Z');
  await world.live(5);
  expect(world.runs).toEqual([]);
  expect(world.events).toEqual([
    { type: 'jobMissed', job: 'backup', node: 'a', scheduledFor: '2026-11-21T01:30:00.000Z' },
  ]);
  world.clock.set('2026-11-22T01:30:00Z');
  await world.live(2);
  expect(world.runs).toEqual(['01:30']);
});

it('makes up for what it slept through, once', async () => {
  const world = await makeWorld('2026-11-18T20:00Z', backup('30 2 * * *', { catchUp: true }));
  await world.tick();
  world.clock.set('2026-11-21T08:00Z');
  await world.live(5);
  expect(world.runs).toEqual(['01:30']);
});

it('makes up for what was missed while no daemon ran', async () => {
  const spool = await makeTemporaryFolder('spool');
  const job = backup('30 2 * * *', { catchUp: true });
  const first = await makeWorld('2026-11-19T01:29:59Z', job, { spool });
  await first.live(2);
  expect(first.runs).toEqual(['01:30']);
  const second = await makeWorld('2026-11-21T08:00Z', job, { spool });
  await second.live(5);
  expect(second.runs).toEqual(['01:30']);
  expect(second.scheduler.report()[0]!.last!.scheduledFor).toBe('2026-11-21T01:30:00.000Z');
});

it('does not repeat a run when the clock is set back, and goes on', async () => {
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'));
  await world.live(10);
  world.clock.set('2026-11-21T01:00:00Z');
  await world.live(2);
  world.clock.set('2026-11-21T01:29:58Z');
  await world.live(10);
  expect(world.runs).toEqual(['01:30']);
  world.clock.set('2026-11-22T01:30:01Z');
  await world.live(2);
  expect(world.runs).toEqual(['01:30', '01:30']);
});

it('is not stopped for years by a clock that was years ahead', async () => {
  const world = await makeWorld('2031-11-21T01:29:59Z', backup('30 2 * * *'));
  await world.live(10);
  world.clock.set('2026-11-21T12:00:00Z');
  await world.live(20);
  world.clock.set('2026-11-22T01:29:58Z');
  await world.live(20);
  expect(world.runs).toEqual(['01:30', '01:30']);
});

it('does not overlap itself, and tells of a run that takes long, once', async () => {
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('* * * * *', { maxDuration: 90_000 }), {
    slow: true,
  });
  await world.live(1);
  await started(world, 1);
  await world.live(200);
  expect(world.runs).toEqual(['01:30']);
  expect(world.events.filter(({ type }) => type === 'jobLate')).toEqual([
    expect.objectContaining({
      job: 'backup',
      scheduledFor: '2026-11-21T01:30:00.000Z',
      maxDurationMs: 90_000,
    }),
  ]);
  world.end();
  await world.scheduler.settle();
  await world.live(1);
  await started(world, 2);
  // The latest of those that passed by.
  expect(world.runs).toEqual(['01:30', '01:33']);
  await world.scheduler.stop();
});

it('tries a failed run again with growing pauses, five times in all', async () => {
  const fails = () => new PgarcError('store-unreachable', 'no answer');
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { fails });
  await world.live(30);
  expect(world.runs).toEqual(['01:30']);
  await world.live(1000);
  expect(world.runs).toEqual(['01:30', '01:30#2', '01:30#3', '01:30#4', '01:30#5']);
  const failures = world.events.filter((event) => event.type === 'jobFailed');
  expect(failures.map(({ retryInMs }) => retryInMs)).toEqual([30_000, 60_000, 120_000, 240_000, undefined]);
  expect(failures[0]).toMatchObject({ code: 'store-unreachable', message: 'no answer', outcome: 'failed' });
});

it('does not try again what cannot get better', async () => {
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), {
    fails: () => new PgarcError('refused', 'archiving is off'),
  });
  await world.live(600);
  expect(world.runs).toEqual(['01:30']);
});

it('starts nothing on a node that does not lead, and is told of what others ran', async () => {
  const spool = await makeTemporaryFolder('spool');
  const leader = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { spool, node: 'a' });
  const other = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { spool, node: 'b' });
  other.clock.pass(3);
  await other.tick(false);
  expect(other.runs).toEqual([]);
  await leader.live(3);
  other.clock.pass(10);
  await other.tick(false);
  expect(other.scheduler.report()[0]!.last).toMatchObject({ state: 'ok', node: 'a' });
  // And when it leads, that run is not run again.
  await other.live(5);
  expect(other.runs).toEqual([]);
});

it.each([
  ['ok', true, 1],
  ['failed', true, 0],
  ['ok', false, 0],
] as const)(
  'a run by hand that ends %s, seen by a leader: %s, is told %i times',
  async (state, leads, times) => {
    const spool = await makeTemporaryFolder('spool');
    const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { spool });
    await world.live(15);
    const own = world.events.length;
    const record = {
      job: 'backup' as const,
      ...{ node: 'c', attempt: 1, byHand: true as const, durationMs: 2000, backup: 'base_2' },
      ...{ scheduledFor: '2026-11-21T01:30:10.000Z', startedAt: '2026-11-21T01:30:10.000Z' },
    } as const;
    for (const now of ['running', state, state] as const) {
      await createSpoolBook(spool).write({ ...record, state: now }, undefined, NEVER);
      // While it runs it has the lock: here it has none, so that only another node may look.
      world.clock.pass(11);
      await world.tick(leads && now !== 'running');
    }
    const told = world.events.slice(own).filter(({ type }) => type.startsWith('job'));
    const { job, node, scheduledFor, attempt, durationMs } = record;
    const event = {
      type: 'jobFinished',
      job,
      node,
      scheduledFor,
      attempt,
      durationMs,
      outcome: 'ok',
      backup: 'base_2',
    };
    expect(told).toEqual(Array(times).fill(event));
  },
);

it('two that both believe to lead run it once', async () => {
  const spool = await makeTemporaryFolder('spool');
  const worlds = await Promise.all(
    ['a', 'b'].map((node) =>
      makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { spool, node, slow: true }),
    ),
  );
  for (const world of worlds) world.clock.pass(2);
  await Promise.all(worlds.map((world) => world.tick()));
  await waitFor(() => worlds.some(({ runs }) => runs.length === 1));
  for (let i = 0; i < 30; i++) for (const world of worlds) await world.live(1);
  expect(worlds.flatMap(({ runs }) => runs)).toEqual(['01:30']);
  for (const world of worlds) world.end();
  for (const world of worlds) await world.scheduler.settle();
  for (let i = 0; i < 30; i++) for (const world of worlds) await world.live(1);
  expect(worlds.flatMap(({ runs }) => runs)).toEqual(['01:30']);
  for (const world of worlds) await world.scheduler.stop();
});

it('marks the run of a lost node as failed and starts anew at once', async () => {
  const spool = await makeTemporaryFolder('spool');
  const book = createSpoolBook(spool);
  // What a killed node leaves: a record that says "running", and a lock that is free.
  const world = await makeWorld('2026-11-21T01:31:00Z', backup('30 2 * * *'), { spool, node: 'b' });
  await book.write(
    {
      job: 'backup',
      scheduledFor: '2026-11-21T01:30:00.000Z',
      attempt: 1,
      node: 'a',
      state: 'running',
      startedAt: '2026-11-21T01:30:00.000Z',
    },
    undefined,
    NEVER,
  );
  await world.tick();
  await world.live(5);
  expect(world.runs).toEqual(['01:30#2']);
  expect(world.events[0]).toMatchObject({
    type: 'jobFailed',
    node: 'a',
    attempt: 1,
    message: 'node a was lost while it ran',
  });
});

it('ends its run when it is stopped, and says why', async () => {
  const spool = await makeTemporaryFolder('spool');
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { spool, slow: true });
  await world.live(1);
  await started(world, 1);
  expect(world.scheduler.isRunning).toBe(true);
  expect(world.scheduler.report()[0]!.running).toMatchObject({ state: 'running', attempt: 1 });
  await world.scheduler.stop();
  const [record] = await createSpoolBook(spool).list(NEVER);
  expect(record).toMatchObject({ state: 'failed', message: 'the daemon was stopped' });
  // The next daemon of this host goes on.
  const next = await makeWorld('2026-11-21T01:31:00Z', backup('30 2 * * *'), { spool });
  await next.live(2);
  expect(next.runs).toEqual(['01:30#2']);
});

it('starts nothing while the book does not answer, and knows of its last run when the book was wiped', async () => {
  const folder = await makeTemporaryFolder('spool');
  const book = createSpoolBook(folder);
  let isDown = false;
  let isWiped = false;
  const gate = <T>(value: Promise<T>): Promise<T> =>
    isDown ? Promise.reject(new PgarcError('etcd-unreachable', 'etcd is not reachable')) : value;
  const shaky: JobBook = {
    source: 'etcd',
    list: (signal) => gate(isWiped ? Promise.resolve([]) : book.list(signal)),
    read: (job, signal) =>
      gate(isWiped ? Promise.resolve({ record: undefined, revision: undefined }) : book.read(job, signal)),
    write: (record, revision, signal) => {
      isWiped = false;
      return gate(book.write(record, revision, signal));
    },
    lock: (job, signal) => gate(book.lock(job, signal)),
  };
  const spool = join(folder, 'own');
  const world = await makeWorld('2026-11-21T01:29:59Z', backup('30 2 * * *'), { book: shaky, spool });
  isDown = true;
  for (let i = 0; i < 20; i++) {
    world.clock.pass(1);
    await world.tick().catch((error) => expect(error).toMatchObject({ code: 'etcd-unreachable' }));
  }
  expect(world.runs).toEqual([]);
  isDown = false;
  await world.live(2);
  expect(world.runs).toEqual(['01:30']);
  isWiped = true;
  await world.live(60);
  expect(world.runs).toEqual(['01:30']);
  expect(isWiped).toBe(false);
  expect((await book.list(NEVER))[0]).toMatchObject({ state: 'ok' });
});
