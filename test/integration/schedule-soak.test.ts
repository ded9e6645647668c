import { expect, it } from 'vitest';
import { openCluster } from '../../src/cluster/open.ts';
import { openEncoder } from '../../src/codec/codecs.ts';
import { resolveSettings } from '../../src/config/resolve.ts';
import type { PgarcEvent } from '../../src/report/events.ts';
import { createClusterBook } from '../../src/schedule/job-book.ts';
import { jobsOf } from '../../src/schedule/jobs.ts';
import { createOperations } from '../../src/schedule/operations.ts';
import type { Clock } from '../../src/schedule/run-job.ts';
import { Scheduler } from '../../src/schedule/scheduler.ts';
import { createSpoolBook } from '../../src/schedule/spool-book.ts';
import { openStore } from '../../src/store/open.ts';
import { atEnd } from '../support/cleanup.ts';
import { startEtcd } from '../support/etcd.ts';
import { type Moment, readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { restore, startRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

const RUNS = 10;
/** A minute of the schedule takes so long, ms; all that is done in it is real. */
const MINUTE = 3000;

/** A clock that runs faster than it should. */
function createFastClock(): Clock {
  const began = Date.now();
  const started = performance.now();
  const elapsed = () => ((performance.now() - started) * 60_000) / MINUTE;
  return { now: () => new Date(began + elapsed()), elapsed };
}

it('every minute for ten, keeping three: every backup restores, and every moment of the window is reachable', async () => {
  const [{ env: storeEnv }, etcd] = await Promise.all([makeStore('minio'), startEtcd({ members: 3 })]);
  const env: Record<string, string> = { ...storeEnv, ...etcd.env('main'), PGARC_NODE_NAME: 'here' };
  const server = await startPostgres({ archive: true, env });
  const { settings } = resolveSettings({
    flags: {},
    environment: {
      ...env,
      ...server.env,
      PGARC_KEEP_FULL: '3',
      PGARC_SCHEDULE_BACKUP_CRON: '* * * * *',
      PGARC_SCHEDULE_RETAIN_CRON: '* * * * *',
    },
    file: undefined,
    facts: { processors: 2, defaultSpool: env.PGARC_SPOOL!, hostname: 'here' },
    readSecretFile: () => '',
  });
  const store = await openStore(settings, () => undefined);
  atEnd(() => store.close());
  const cluster = openCluster(settings)!;
  atEnd(() => cluster.etcd.close());
  const events: PgarcEvent[] = [];
  const scheduler = new Scheduler({
    jobs: jobsOf(settings),
    node: 'here',
    book: createClusterBook({ ...cluster, ttl: settings.etcdLease }),
    copy: createSpoolBook(settings.spool),
    operate: createOperations({ settings, store, encoder: await openEncoder('lz4') }),
    emit: (event) => events.push(event),
    clock: createFastClock(),
    seed: '',
  });
  atEnd(() => scheduler.stop());
  const finished = (job: string) =>
    events.filter((event) => event.type === 'jobFinished' && event.job === job).length;

  const ledger = await startLedger(server);
  const moments: Moment[] = [];
  const never = new AbortController().signal;
  await waitFor(
    async () => {
      await scheduler.tick(true, never);
      // Moments at random, all the time.
      if (Math.random() < 0.3) moments.push(await ledger.remember());
      return finished('backup') >= RUNS && finished('retain') >= RUNS;
    },
    { timeout: 220_000, interval: 100, what: `${RUNS} runs of each` },
  ).catch((error) => {
    const told = events.filter(({ type }) => type.startsWith('job') || type === 'warning');
    throw new Error(`${error.message}: ${JSON.stringify(told)}`, { cause: error.cause });
  });
  await scheduler.settle();
  await mustRunPgarc(['schedule', 'run', 'retain'], { env: { ...env, ...server.env, PGARC_KEEP_FULL: '3' } });
  await ledger.grow(20);
  moments.push(await ledger.remember());
  await ledger.grow(1);
  const last = await ledger.stop();
  await server.archiveAll();

  expect(events.filter(({ type }) => type === 'jobFailed')).toEqual([]);
  const starts = events.filter((event) => event.type === 'jobStarted' && event.job === 'backup');
  expect(new Set(starts.map((event) => 'scheduledFor' in event && event.scheduledFor)).size).toBe(
    starts.length,
  );
  const { stdout } = await mustRunPgarc(['backup-list', '--json'], { env });
  const { backups } = JSON.parse(stdout) as { backups: { name: string; finishTime: string }[] };
  expect(backups).toHaveLength(3);
  expect((await mustRunPgarc(['wal-verify'], { env })).code).toBe(0);

  for (const { name } of backups) {
    const { dataDir } = await restore(env, ['--target', 'immediate', '--target-action', 'promote'], name);
    const restored = await startRestored(dataDir, env);
    expect((await readLedger(restored)).whole).toBe(true);
    await restored.stop('immediate');
  }
  // The window: from the end of the oldest backup that is kept until now.
  const begin = Math.min(...backups.map(({ finishTime }) => Date.parse(finishTime)));
  const window = moments.filter(({ time }) => Date.parse(`${time.replace(' ', 'T')}:00`) > begin + 1000);
  expect(window.length).toBeGreaterThan(2);
  const random = () => window[Math.floor(Math.random() * window.length)]!;
  const tried = new Set([window[0]!, random(), random(), random(), window.at(-1)!]);
  for (const { time, committed, sent } of tried) {
    const target = ['--target-time', time, '--target-action', 'promote'];
    const { dataDir } = await restore(env, target);
    const restored = await startRestored(dataDir, env);
    const found = await readLedger(restored);
    expect(found.whole).toBe(true);
    expect(found.last).toBeGreaterThanOrEqual(committed);
    expect(found.last).toBeLessThanOrEqual(sent);
    await restored.stop('immediate');
  }
  const { dataDir } = await restore(env);
  expect(await readLedger(await startRestored(dataDir, env))).toEqual({ last, whole: true });
});
