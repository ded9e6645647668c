import { cp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import {
  closeCluster,
  isInWalFolder,
  isSameCluster,
  openDataDirectory,
} from '../../../src/daemon/cluster.ts';
import { lockSpool } from '../../../src/daemon/lock.ts';
import { uploadsAtOnce } from '../../../src/daemon/push-service.ts';
import { daemonSpool } from '../../../src/daemon/spool.ts';
import { nameFolder } from '../../../src/daemon/wal-folder.ts';
import { makeFakeCluster } from '../../support/fake-cluster.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it('where there are no locks, a socket that somebody listens on says that the spool is served', async () => {
  const spool = daemonSpool(await makeTemporaryFolder('spool'));
  const noLocks = Promise.resolve(undefined);
  await (await lockSpool(spool, noLocks)).close();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(spool.socket, resolve));
  await expect(lockSpool(spool, noLocks)).rejects.toMatchObject({
    code: 'locked',
    message: `a daemon already serves ${spool.folder}`,
  });
  await rename(spool.socket, `${spool.socket}.left`);
  await new Promise((resolve) => server.close(resolve));
  await rename(`${spool.socket}.left`, spool.socket);
  await (await lockSpool(spool, noLocks)).close();
});

it('a cluster is opened once, and known from the one in its place', async () => {
  expect(await openDataDirectory('/nowhere')).toBeUndefined();
  const { data, renew } = await makeFakeCluster();
  const link = join(await makeTemporaryFolder(), 'link');
  await symlink(data, link);
  const cluster = (await openDataDirectory(link))!;
  expect(cluster.pgdata).toBe(data);
  await expect(openDataDirectory(data)).rejects.toMatchObject({
    code: 'locked',
    exitCode: 6,
    message: `a daemon (pid ${process.pid}) already serves ${data}`,
  });
  expect(await isSameCluster(cluster, link)).toBe(true);
  await renew();
  expect(await isSameCluster(cluster, link)).toBe(false);
  await closeCluster(cluster);
  const again = (await openDataDirectory(data))!;
  await rename(data, `${data}.away`);
  expect(await isSameCluster(again, data)).toBe(false);
  await closeCluster(again);
  // As initdb has it for a moment.
  await writeFile(join(`${data}.away`, 'global/pg_control'), '');
  expect(await openDataDirectory(`${data}.away`)).toBeUndefined();
});

it('a folder of pg_wal is known by its inode, through links, where paths say nothing', async () => {
  const { data } = await makeFakeCluster();
  const elsewhere = await makeTemporaryFolder('wal');
  await cp(join(data, 'pg_wal'), elsewhere, { recursive: true });
  await rm(join(data, 'pg_wal'), { recursive: true });
  await symlink(elsewhere, join(data, 'pg_wal'));
  const cluster = (await openDataDirectory(data))!;
  const file = join(data, 'pg_wal/000000010000000000000001');
  const folder = await nameFolder(dirname(file));
  expect(folder).toBe(await nameFolder(elsewhere));
  expect(await isInWalFolder(file, cluster, folder)).toBe(true);
  expect(await isInWalFolder(file, cluster)).toBe(true);
  expect(await isInWalFolder(file, cluster, await nameFolder(data))).toBe(false);
  expect(await nameFolder('/nowhere')).toBeUndefined();
  await closeCluster(cluster);
});

it('memory bounds uploads of large segments', () => {
  const MiB = 2 ** 20;
  expect(uploadsAtOnce(4, 16 * MiB)).toBe(4);
  expect(uploadsAtOnce(256, 16 * MiB)).toBe(16);
  expect(uploadsAtOnce(16, 64 * MiB)).toBe(4);
  expect(uploadsAtOnce(16, 1024 * MiB)).toBe(10);
});
