import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { open, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { mountTmpfs, resizeTmpfs } from '../support/tmpfs.ts';
import { waitFor } from '../support/wait.ts';

const NO_MOUNT = 'mounting a tmpfs is not allowed here';

test('a restore that cannot fit is refused; one that runs out of space half-way leaves nothing to start', async ({
  skip,
}) => {
  const [small, large] = [await mountTmpfs(40), await mountTmpfs(500)];
  if (small === undefined || large === undefined) return skip(NO_MOUNT);
  const minio = await startMinio();
  const proxy = await startFaultProxy(minio.endpoint);
  const spool = { PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const archive = { ...minio.env('full'), ...spool };
  const server = await startPostgres({ archive: true, env: archive });
  await fillPgbench(server, 14);
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...archive, ...server.env } });
  await server.stop();
  const env = { ...minio.env('full', proxy.endpoint), ...spool };

  const refused = await runPgarc(['backup-fetch', join(small, 'data'), 'LATEST'], { env });
  expect(refused.code, refused.stderr).toBe(4);
  expect(refused.stderr).toMatch(/space/);
  expect(existsSync(join(small, 'data/base'))).toBe(false);

  const dataDir = join(large, 'data');
  // All but the beginning of each part waits until there is less space than at the start.
  const part = { method: 'GET', path: /\/part_\d+\.tar/ };
  proxy.add({ ...part, fault: { kind: 'stall', afterBytes: 500_000 } });
  const running = startPgarc(['backup-fetch', dataDir, 'LATEST'], {
    env: { ...env, PGARC_REQUEST_TIMEOUT: '5s' },
  });
  await waitFor(() => existsSync(join(dataDir, 'base')) && readdirSync(join(dataDir, 'base')).length > 0, {
    what: 'the first files',
  });
  expect(await resizeTmpfs(large, 100)).toBe(true);
  proxy.reset();
  const result = await running.result;
  expect(result.code, result.stderr).toBeLessThan(126);
  expect(result.stderr).toMatch(/space/i);
  expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(false);
});

test('a folder store that is full takes no segment, and takes it once there is space', async ({ skip }) => {
  const disk = await mountTmpfs(60);
  if (disk === undefined) return skip(NO_MOUNT);
  const { env } = await makeStore('folder');
  const onDisk = { ...env, PGARC_STORE: `file://${disk}/store`, PGARC_STORE_TIMEOUT: '2s' };
  await makeOwnedDirectory(`${disk}/store`);
  const server = await startPostgres();
  // What lz4 cannot shrink, so that a stored segment is as large as a segment.
  await server.query(
    'CREATE TABLE noise AS SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 150000)',
  );
  const segment = await server.value('SELECT pg_walfile_name(pg_switch_wal())');
  const path = join(server.dataDir, 'pg_wal', segment);
  const filler = await fill(disk, 1 << 20);
  const refused = await runPgarc(['wal-push', path], { env: onDisk });
  expect(refused.code, refused.stderr).toBeGreaterThan(0);
  expect(refused.code).toBeLessThan(126);
  expect(refused.stderr).toMatch(/space/i);
  expect(existsSync(`${disk}/store/wal_005/${segment}.lz4`)).toBe(false);
  await rm(filler);
  await mustRunPgarc(['wal-push', path], { env: onDisk });
  const fetched = join(server.socketDir, 'fetched');
  await mustRunPgarc(['wal-fetch', segment, fetched], { env: onDisk });
  expect((await readFile(fetched)).equals(await readFile(path))).toBe(true);
});

test('a spool that is full costs the quick ways, not the daemon, and they come back with the space', async ({
  skip,
}) => {
  const spool = await mountTmpfs(4);
  if (spool === undefined) return skip(NO_MOUNT);
  const store = await makeStore('folder');
  const cluster = await makeFakeCluster();
  const env = { ...store.env, PGARC_SPOOL: spool, PGDATA: cluster.data } as Record<string, string>;
  const filler = await fill(spool);
  const daemon = await startDaemon(env);
  expect(daemon.stderr()).toMatch(
    /cannot be written to, and wal-push and wal-fetch take slower ways: ENOSPC/,
  );
  expect(existsSync(join(spool, 'daemon'))).toBe(false);
  const noCurl = { env: { ...env, PATH: '/nowhere', PGARC_NODE: process.execPath }, asPostgres: false };
  const [first, second, third] = [
    await cluster.add({ number: 1, ready: false }),
    await cluster.add({ number: 2 }),
    await cluster.add({ number: 3 }),
  ];
  // Through the socket, which Node finds without the state.
  await mustRunPgarc(['wal-push', first.path], noCurl);
  expect(daemon.stderr()).toMatch(`walPushed name=${first.name}`);
  const fetched = join(cluster.data, 'pg_wal/RECOVERYXLOG');
  await mustRunPgarc(['wal-fetch', first.name, fetched], noCurl);
  expect((await readFile(fetched)).equals(first.bytes)).toBe(true);
  // A cleaner removes the folders as well.
  for (const folder of ['in', 'out']) await rm(join(spool, folder), { recursive: true });
  await waitFor(() => existsSync(join(spool, 'in')));

  await rm(filler);
  await waitFor(
    () => daemon.stderr().includes('can be written to again') && existsSync(join(spool, 'daemon')),
  );
  for (const { path } of [second, third]) await mustRunPgarc(['wal-push', path], { env });
  const last = await cluster.add({ number: 4 });
  await daemon.marked(last.name);
  const quick = { env: { ...env, PGARC_NODE: '/bin/false' } };
  await mustRunPgarc(['wal-push', last.path], quick);
  expect(await store.keys('wal_005/')).toHaveLength(4);
  expect(daemon.stderr().match(/cannot be written to/g)).toHaveLength(1);
  expect(await daemon.stop()).toMatchObject({ code: 0 });
});

/** Fills a file system but for `leave` bytes. @returns the file that does it */
async function fill(folder: string, leave = 0): Promise<string> {
  const path = join(folder, 'filler');
  const file = await open(path, 'w');
  const block = randomBytes(1 << 20);
  try {
    for (;;) {
      const { bavail, bsize } = await statfs(folder);
      const room = bavail * bsize - leave;
      if (room <= 0) return path;
      await file.write(block, 0, Math.min(room, block.length));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return path;
  } finally {
    await file.close();
  }
}
