import { beforeAll, expect, it } from 'vitest';
import type { Backup } from '../../src/backup/catalog.ts';
import type { JobRecord } from '../../src/schedule/job-record.ts';
import type { ScheduleReport } from '../../src/schedule/report.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { startPostgres, startStandby, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** Two nodes of one scope: PostgreSQL, a spool and a daemon each, with etcd of three members and MinIO for both. */
interface Node {
  name: string;
  server: TestPostgres;
  env: Record<string, string>;
  daemon: TestDaemon;
}

const LEASE = 5000;
const RUN = '/service/main/pgarc/runs/backup';
const LOCK = '/service/main/pgarc/lock/backup';

let etcd: TestEtcd;
let minio: TestMinio;
/** Between the daemons and MinIO, to hold their uploads. */
let proxy: FaultProxy;
let primary: Node;
let replica: Node;

beforeAll(async () => {
  [etcd, minio] = await Promise.all([startEtcd({ members: 3 }), startMinio()]);
  proxy = await startFaultProxy(minio.endpoint);
  const [one, two] = await Promise.all([makeEnvironment('one'), makeEnvironment('two')]);
  // Checkpoints are made by the tests alone.
  const settings = { archive_timeout: 1, checkpoint_timeout: 3600 };
  const server = await startPostgres({ archive: true, env: one.archive, settings });
  await server.query(
    'CREATE TABLE busy AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) i',
  );
  const standby = await startStandby(server, { archive: true, env: two.archive, settings });
  primary = await startNode('one', server, one.daemon);
  replica = await startNode('two', standby, two.daemon);
});

/** Archiving goes to the store at once; what the daemons do goes through the proxy. */
async function makeEnvironment(name: string): Promise<Record<'archive' | 'daemon', Record<string, string>>> {
  const own = { PGARC_SPOOL: await makeTemporaryFolder('spool'), PGARC_NODE_NAME: name };
  const daemon = {
    ...minio.env('main', proxy.endpoint),
    ...etcd.env('main'),
    ...own,
    PGARC_ETCD_LEASE: `${LEASE}ms`,
    PGARC_ETCD_TIMEOUT: '1s',
    PGARC_SCHEDULE_BACKUP_CRON: '30 2 * * *',
    PGARC_SCHEDULE_BACKUP_CATCH_UP: 'true',
  };
  return { archive: { ...minio.env('main'), PGARC_SPOOL: `${own.PGARC_SPOOL}-archive` }, daemon };
}

async function startNode(name: string, server: TestPostgres, env: Record<string, string>): Promise<Node> {
  const all = { ...env, ...server.env };
  return { name, server, env: all, daemon: await startDaemon(all) };
}

/** Lets a run be due, as if the last one had been days ago. */
async function makeDue(options: { advance?: boolean } = {}): Promise<void> {
  const old = new Date(Date.now() - 5 * 86_400_000).toISOString();
  if (options.advance ?? true) await advance();
  const record = { job: 'backup', scheduledFor: old, attempt: 1, node: 'one', state: 'ok', startedAt: old };
  await etcd.put(RUN, JSON.stringify(record));
}

/** Or a backup of the standby would begin where the last one did. */
async function advance(): Promise<void> {
  await primaryServer().query('SELECT pg_switch_wal()');
  await primaryServer().query('CHECKPOINT');
  const node = replica.server;
  if ((await node.value('SELECT pg_is_in_recovery()')) === 'true') {
    const lsn = await primaryServer().value('SELECT redo_lsn FROM pg_control_checkpoint()');
    await waitFor(async () => {
      await node.query('CHECKPOINT');
      return (await node.value(`SELECT redo_lsn >= '${lsn}' FROM pg_control_checkpoint()`)) === 'true';
    });
  }
}

function primaryServer(): TestPostgres {
  return primary.server.isRunning() ? primary.server : replica.server;
}

async function readRun(): Promise<JobRecord> {
  return JSON.parse((await etcd.get(RUN)) ?? '{}') as JobRecord;
}

async function waitForRun(state: JobRecord['state'], attempt: number, node?: string): Promise<JobRecord> {
  const options = {
    timeout: 90_000,
    interval: 100,
    what: `${state}, attempt ${attempt} on ${node ?? 'any node'}`,
  };
  return await waitFor(async () => {
    await write();
    const run = await readRun();
    return run.state === state && run.attempt === attempt && (node === undefined || run.node === node) && run;
  }, options).catch(explain);
}

let wroteAt = 0;

/** Writes a row every second: beside a primary where nothing is written a standby's last WAL is not archived. */
async function write(): Promise<void> {
  if (performance.now() - wroteAt < 1000) return;
  wroteAt = performance.now();
  // Who is promoted just now takes none.
  await primaryServer()
    .query('INSERT INTO busy SELECT 1')
    .catch(() => undefined);
}

async function leader(node: Node): Promise<string | undefined> {
  const { stdout } = await mustRunPgarc(['schedule', '--json'], { env: node.env });
  return (JSON.parse(stdout) as ScheduleReport).leader;
}

async function leads(node: Node): Promise<void> {
  const options = { timeout: 30_000, interval: 200, what: `${node.name} to lead` };
  await waitFor(async () => (await leader(node)) === node.name, options).catch(explain);
}

/** Adds what etcd holds and the daemons said to an error. */
async function explain(error: Error): Promise<never> {
  const held = [...(await etcd.list('/service/main/pgarc/').catch(() => new Map()))].join('\n');
  const logs = [primary, replica].map(({ name, daemon }) => `${name}:\n${daemon.stderr().slice(-3000)}`);
  throw new Error(`${error.message}\n${held}\n${logs.join('\n')}`, { cause: error.cause });
}

/** Holds uploads of backups from now on. @returns how to let them go */
function holdUploads(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.reset();
  proxy.add({ method: 'PUT', path: /tar_partitions/, fault: { kind: 'hold', until: promise } });
  return () => {
    proxy.reset();
    resolve();
  };
}

async function uploading(): Promise<void> {
  await waitFor(() => proxy.requests.some(({ path }) => path.includes('tar_partitions')), {
    timeout: 60_000,
    what: 'an upload',
  }).catch(explain);
}

/** Names of the backups that were not there before. */
async function addedSince(before: readonly string[]): Promise<string[]> {
  const { stdout } = await mustRunPgarc(['backup-list', '--json'], { env: minio.env('main') });
  const { backups } = JSON.parse(stdout) as { backups: Pick<Backup, 'name'>[] };
  return backups.map(({ name }) => name).filter((name) => !before.includes(name));
}

/** Nothing lies in the store but what belongs to backups that exist. */
async function expectNoRemains(): Promise<void> {
  const keys = await minio.keys('main/basebackups_005/');
  const found = new Set(keys.map((key) => key.split('/')[2]!.replace('_backup_stop_sentinel.json', '')));
  expect([...found].sort()).toEqual((await addedSince([])).sort());
}

async function archives(server: TestPostgres): Promise<void> {
  await server.query('INSERT INTO busy SELECT 1');
  await server.archiveAll();
}

it('the replica runs the job, and no node runs it again', async () => {
  await leads(replica);
  await makeDue();
  const run = await waitForRun('ok', 1, 'two');
  expect(await addedSince([])).toEqual([run.backup]);
  await expectNoRemains();
  expect(primary.daemon.stderr()).not.toContain('jobStarted');
  expect(primary.daemon.stderr()).toContain('leader=two isLeader=false');
  expect(await etcd.get(LOCK)).toBeUndefined();
  const members = [...(await etcd.list('/service/main/pgarc/members/')).values()].map((text) =>
    JSON.parse(text),
  );
  expect(members).toEqual([
    expect.objectContaining({ node: 'one', role: 'primary', healthy: true }),
    expect.objectContaining({ node: 'two', role: 'replica', healthy: true, lagBytes: expect.any(Number) }),
  ]);
});

it('a replica without a new restartpoint leaves the next backup to the primary', async () => {
  await makeDue();
  const first = await waitForRun('ok', 1, 'two');
  const before = await addedSince([]);
  await makeDue({ advance: false });
  const failed = await waitForRun('failed', 1, 'two');
  await leads(primary);
  // The pause of 30 s is waited for in other tests.
  await etcd.put(RUN, JSON.stringify({ ...failed, retryAt: failed.finishedAt }));
  const run = await waitForRun('ok', 2, 'one');
  expect(replica.daemon.stderr()).toContain(`exists or is being made: ${first.backup}`);
  expect(await addedSince(before)).toEqual([run.backup]);
  const shown = await mustRunPgarc(['schedule'], { env: replica.env });
  expect(shown.stdout).toContain('the jobs run on one');
  // It is fit again after minutes, or after a restart.
  expect((await replica.daemon.stop()).code).toBe(0);
  replica.daemon = await startDaemon(replica.env);
  await leads(replica);
});

it('the leader is killed in the midst of a backup: the other takes it once, and the first leaves nothing', async () => {
  const before = await addedSince([]);
  const release = holdUploads();
  await makeDue();
  await uploading();
  expect(await readRun()).toMatchObject({ state: 'running', node: 'two', attempt: 1 });
  // The other node sees that it runs, and does not start it.
  const shown = await mustRunPgarc(['schedule'], { env: primary.env });
  expect(shown.stdout).toContain('backup runs on two');
  const byHand = await runPgarc(['schedule', 'run', 'backup'], { env: primary.env });
  expect(byHand.code).toBe(6);
  expect(byHand.stderr).toContain('two (pid');
  const killed = performance.now();
  await replica.daemon.kill();
  release();
  const run = await waitForRun('ok', 2, 'one');
  expect(Date.parse(run.startedAt) - (Date.now() - (performance.now() - killed))).toBeLessThan(
    LEASE + 60_000,
  );
  expect(primary.daemon.stderr()).toMatch(/jobFailed .*node=two .*"node two was lost while it ran"/);
  // The parts of the killed one go with the next backup of its own server, or after a day.
  expect(await addedSince(before)).toEqual([run.backup]);

  replica.daemon = await startDaemon(replica.env);
  await leads(replica);
  expect(await addedSince(before)).toEqual([run.backup]);
});

it('etcd loses its quorum: the job ends before another could start, archiving goes on, and all recovers', async () => {
  const before = await addedSince([]);
  const release = holdUploads();
  await makeDue();
  await uploading();
  expect(await readRun()).toMatchObject({ state: 'running', node: 'two', attempt: 1 });
  const [first, second] = etcd.members;
  await Promise.all([first!.kill(), second!.kill()]);
  await waitFor(() => /jobFailed .*lock backup is lost/.test(replica.daemon.stderr()), {
    what: 'the end of the job',
  });
  release();
  await archives(primary.server);
  const shown = await mustRunPgarc(['schedule'], { env: replica.env });
  expect(shown.stdout).toMatch(/backup failed on two: .*\nFrom the spool of two; etcd does not answer/);
  expect((await runPgarc(['schedule', 'run', 'backup'], { env: primary.env })).code).toBe(7);
  expect(await addedSince(before)).toEqual([]);
  for (const { daemon } of [primary, replica]) expect(daemon.stderr().match(/ etcdDown /g)).toHaveLength(1);

  await etcd.start();
  const run = await waitForRun('ok', 2);
  expect(await addedSince(before)).toEqual([run.backup]);
  for (const { daemon } of [primary, replica]) expect(daemon.stderr().match(/ etcdUp /g)).toHaveLength(1);
  await leads(replica);
});

it('somebody writes rubbish over the keys: it is replaced, which is said once', async () => {
  await leads(replica);
  const run = await readRun();
  await etcd.put(RUN, 'rubbish');
  await etcd.put('/service/main/pgarc/leader', '{}');
  await waitFor(async () => (await etcd.get(RUN)) !== 'rubbish', {
    timeout: 60_000,
    what: 'the record again',
  });
  expect(await readRun()).toEqual(run);
  await leads(replica);
  const said = [primary, replica].map(({ daemon }) => daemon.stderr()).join('');
  expect(said.match(/the record of the job backup held something else/g)).toHaveLength(1);
  expect(said.match(/held something else than a leader/g)).toHaveLength(1);
});

it('etcd is wiped: no job runs twice', async () => {
  const before = await addedSince([]);
  const run = await readRun();
  await etcd.wipe();
  await leads(replica);
  await waitFor(async () => (await etcd.get(RUN)) !== undefined, {
    timeout: 60_000,
    what: 'the record again',
  });
  expect(await readRun()).toEqual(run);
  expect(await addedSince(before)).toEqual([]);
});

it('the replica is promoted in the midst of a backup: that is given up, and a new run starts within a minute', async () => {
  const before = await addedSince([]);
  const release = holdUploads();
  await makeDue();
  await uploading();
  expect(await readRun()).toMatchObject({ state: 'running', node: 'two', attempt: 1 });
  await primary.server.kill();
  await replica.server.promote();
  const failed = await waitForRun('failed', 1, 'two');
  expect(failed.message).toMatch(/promoted|timeline/);
  release();
  const run = await waitForRun('ok', 2, 'two');
  expect(Date.parse(run.startedAt) - Date.parse(failed.finishedAt!)).toBeLessThan(60_000);
  expect(await addedSince(before)).toEqual([run.backup]);
  await expectNoRemains();
  for (const { daemon } of [primary, replica]) expect((await daemon.stop()).code).toBe(0);
  // Whoever leaves in good order leaves no lock, lead or record of his behind.
  expect(await etcd.list('/service/main/pgarc/members/')).toEqual(new Map());
  expect(await etcd.get('/service/main/pgarc/leader')).toBeUndefined();
});
