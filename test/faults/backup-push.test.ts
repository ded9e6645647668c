import { expect, test } from 'vitest';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { mustRunPgarc, type Running, runPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres, startStandby, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/**
 * A server that archives to MinIO, and a way to MinIO for backup-push alone that can be told to hold the
 * upload of a part back: so that what happens next happens in the midst of the copying, however fast it is.
 */
async function prepare(prefix: string) {
  const minio = await startMinio();
  const proxy = await startFaultProxy(minio.endpoint);
  const spool = { PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const server = await startPostgres({ archive: true, env: { ...minio.env(prefix), ...spool } });
  await fillPgbench(server, 5);
  const env = { ...minio.env(prefix, proxy.endpoint), ...spool };
  const keys = async (start: string) => (await minio.keys(`${prefix}/${start}`)).sort();
  const holdParts = () => proxy.add({ method: 'PUT', path: /part_001/, fault: { kind: 'stall' } });
  return { minio, proxy, server, env, keys, holdParts };
}

function push(server: TestPostgres, env: Record<string, string>): Running {
  return startPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
}

async function untilPartIsHeld(proxy: Awaited<ReturnType<typeof startFaultProxy>>): Promise<void> {
  const what = 'the upload of the first part';
  await waitFor(() => proxy.requests.some(({ path, fault }) => /part_001/.test(path) && fault === 'stall'), {
    what,
  });
}

/** The server neither runs a backup any more nor a session of ours. */
async function expectNoSession(server: TestPostgres): Promise<void> {
  await waitFor(
    async () =>
      (await server.value("select count(*) from pg_stat_activity where application_name = 'pgarc'")) === '0',
    { what: 'the end of the session' },
  );
}

test('a signal ends the backup in good order and leaves nothing', async () => {
  const { proxy, server, env, keys, holdParts } = await prepare('signal');
  const release = holdParts();
  const running = push(server, env);
  await untilPartIsHeld(proxy);
  running.child.kill('SIGINT');
  const result = await running.result;
  expect(result.code).toBe(75);
  expect(await keys('basebackups_005/')).toEqual([]);
  expect(await keys('pgarc/running/')).toEqual([]);
  await expectNoSession(server);
  release();
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
});

test('a lost session ends the backup and leaves nothing', async () => {
  const { proxy, server, env, keys, holdParts } = await prepare('session');
  holdParts();
  const running = push(server, env);
  await untilPartIsHeld(proxy);
  await server.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgarc'",
  );
  const result = await running.result;
  expect([result.code, result.stderr]).toEqual([
    7,
    expect.stringMatching(/connection to PostgreSQL .* was lost/),
  ]);
  expect(await keys('basebackups_005/')).toEqual([]);
  expect(await keys('pgarc/running/')).toEqual([]);
});

test('a promotion ends the backup and leaves nothing', async () => {
  const { proxy, server, env, keys, holdParts } = await prepare('promotion');
  const standby = await startStandby(server);
  await server.query('checkpoint');
  await server.archiveAll();
  holdParts();
  const running = push(standby, env);
  await untilPartIsHeld(proxy);
  await standby.promote();
  const result = await running.result;
  expect([result.code, result.stderr]).toEqual([1, expect.stringContaining('promoted during the backup')]);
  expect(await keys('basebackups_005/')).toEqual([]);
});

test('what a killed backup left is removed by the next one, and nothing else', async () => {
  const { minio, proxy, server, env, keys, holdParts } = await prepare('killed');
  await minio.write('killed/basebackups_005/base_000000010000000000000001/tar_partitions/foreign', 'x');
  const release = holdParts();
  const running = push(server, env);
  await untilPartIsHeld(proxy);
  await waitFor(async () => (await keys('basebackups_005/')).some((key) => key.includes('part_002')), {
    what: 'a part in the store',
  });
  running.child.kill('SIGKILL');
  await running.result;
  const left = await keys('basebackups_005/');
  expect(left.some((key) => key.endsWith('_sentinel.json'))).toBe(false);
  const [claim] = await keys('pgarc/running/');
  const killed = /base_[0-9A-F]{24}/.exec(claim!)![0];

  // Until the server has noticed, it refuses another backup.
  await expectNoSession(server);
  release();
  const { stderr } = await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  expect(stderr).toContain(`removed the unfinished backup ${killed}`);
  const now = await keys('basebackups_005/');
  expect(now.filter((key) => key.includes(killed))).toEqual([]);
  expect(now.filter((key) => key.endsWith('foreign'))).toHaveLength(1);
  expect(await keys('pgarc/running/')).toEqual([]);
});

test('a store that refuses a part makes it fail, with nothing left', async () => {
  const { proxy, server, env, keys } = await prepare('refused');
  proxy.add({
    method: 'PUT',
    path: /part_001/,
    fault: {
      kind: 'respond',
      status: 403,
      body: '<Error><Code>AccessDenied</Code><Message>no</Message></Error>',
    },
  });
  const result = await runPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  expect([result.code, result.stderr]).toEqual([7, expect.stringContaining('AccessDenied')]);
  expect(await keys('basebackups_005/')).toEqual([]);
  await expectNoSession(server);
});

test('a lost answer to the sentinel does not lose the backup', async () => {
  const { proxy, server, env, keys } = await prepare('lost');
  proxy.add({ method: 'PUT', path: /_sentinel\.json/, nth: 1, fault: { kind: 'lose-answer' } });
  const { stdout } = await mustRunPgarc(['backup-push', server.dataDir, '--json'], {
    env: { ...env, ...server.env },
  });
  expect(await keys(`basebackups_005/${JSON.parse(stdout).name}_`)).toHaveLength(1);
  expect(await keys('pgarc/running/')).toEqual([]);
});
