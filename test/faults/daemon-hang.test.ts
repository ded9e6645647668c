import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { runPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** A daemon that lives and does not move: what it was asked for is done without it. */

const NO_NODE = { PGARC_NODE: '/bin/false' };

let minio: TestMinio;
beforeAll(async () => {
  minio = await startMinio();
});

async function stopMoving({ pid }: TestDaemon): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await waitFor(async () => /^State:\s+T/m.test(await readFile(`/proc/${pid}/status`, 'utf8')));
}

it.concurrent('archive_command succeeds while the daemon is stopped, and through the daemon afterwards', async () => {
  const env = { ...minio.env('archive'), PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const server = await startPostgres({ archive: true, env, settings: { wal_keep_size: '1GB' } });
  const daemon = await startDaemon({ ...env, PGDATA: server.dataDir });
  await server.archiveAll();
  await stopMoving(daemon);
  const name = await server.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
  await server.query('CREATE TABLE rows AS SELECT 1');
  await server.archiveAll();
  const stored = await unpackLz4(await minio.read(`archive/wal_005/${name}.lz4`));
  expect(stored.equals(await readFile(join(server.dataDir, 'pg_wal', name)))).toBe(true);
  expect(await server.value('SELECT failed_count FROM pg_stat_archiver')).toBe('0');
  // It finds stored what it was about to store, and is asked again.
  process.kill(daemon.pid, 'SIGCONT');
  await server.query('CREATE TABLE more AS SELECT 1');
  await server.archiveAll();
  expect(await server.value('SELECT failed_count FROM pg_stat_archiver')).toBe('0');
  expect(daemon.stderr()).not.toMatch(/walPushFailed|walFetchFailed/);
});

it.concurrent.each([
  ['curl', {}],
  ['Node', { PATH: '/nowhere', PGARC_NODE: process.execPath }],
])('wal-push and wal-fetch go on alone when %s hears nothing of it', async (way, more) => {
  const cluster = await makeFakeCluster();
  const env = {
    ...minio.env(`alone-${way}`),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGDATA: cluster.data,
  };
  const options = { cwd: cluster.data, env: { ...env, ...more }, asPostgres: false };
  const daemon = await startDaemon(env, { asPostgres: false });
  const first = await cluster.add({ number: 1 });
  await daemon.marked(first.name);
  await stopMoving(daemon);
  const { name, bytes } = await cluster.add({ number: 2 });
  const [pushed, fetched] = await Promise.all([
    runPgarc(['wal-push', `pg_wal/${name}`], options),
    runPgarc(['wal-fetch', first.name, 'pg_wal/RECOVERYXLOG'], options),
  ]);
  expect(pushed).toMatchObject({ code: 0 });
  expect(fetched).toMatchObject({ code: 0 });
  expect((await readFile(join(cluster.data, 'pg_wal/RECOVERYXLOG'))).equals(first.bytes)).toBe(true);
  expect((await unpackLz4(await minio.read(`alone-${way}/wal_005/${name}.lz4`))).equals(bytes)).toBe(true);
});

it.concurrent('a daemon that takes long, and says so, is waited for', async () => {
  const proxy = await startFaultProxy(minio.endpoint);
  const cluster = await makeFakeCluster();
  const env = {
    ...minio.env('slow', proxy.endpoint),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGDATA: cluster.data,
  };
  const daemon = await startDaemon(env);
  const first = await cluster.add({ number: 1 });
  await daemon.marked(first.name);
  const isOver = Promise.withResolvers<void>();
  proxy.add({ fault: { kind: 'hold', until: isOver.promise } });
  const options = { cwd: cluster.data, env: { ...env, ...NO_NODE } };
  const { name } = await cluster.add({ number: 2, ready: false });
  const asked = [
    runPgarc(['wal-push', `pg_wal/${name}`], options),
    runPgarc(['wal-fetch', first.name, 'pg_wal/RECOVERYXLOG'], options),
  ];
  // Longer than a client waits for any answer, 15 s.
  await sleep(17_000);
  isOver.resolve();
  for (const { code, stderr } of await Promise.all(asked)) expect(code, stderr).toBe(0);
  expect((await readFile(join(cluster.data, 'pg_wal/RECOVERYXLOG'))).equals(first.bytes)).toBe(true);
  expect(daemon.stderr().match(/walFetched/g)).toHaveLength(1);
});
