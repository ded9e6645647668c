import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { canUnshareMounts, runPgarcElsewhere } from '../support/mount-namespace.ts';
import { runPgarc } from '../support/pgarc.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeStore } from '../support/stores.ts';

/** Containers that share a spool, and have volumes of their own under one path, as a host of several replicas has. */

const NO_MOUNTS = 'mounting is not allowed here';

it('a daemon of another container does not answer for a file that only has the same path', async ({
  skip,
}) => {
  if (!(await canUnshareMounts())) return skip(NO_MOUNTS);
  const store = await makeStore('folder');
  const [ours, theirs] = [await makeFakeCluster(), await makeFakeCluster()];
  const env = { ...store.env, PGDATA: theirs.data } as Record<string, string>;
  const daemon = await startDaemon(env);
  // What a replica has of the segment is not what its primary wrote.
  const { name, path } = await theirs.add({ number: 1, seed: 'of the replica', ready: false });
  const { bytes } = await ours.add({ number: 1, seed: 'of the primary', ready: false });
  const elsewhere = { folder: ours.data, place: theirs.data };
  const options = { env, cwd: '/' };
  const pushed = await runPgarcElsewhere(elsewhere, ['wal-push', path], options);
  expect(pushed).toMatchObject({ code: 0 });
  expect((await unpackLz4(await store.read(`wal_005/${name}.lz4`))).equals(bytes)).toBe(true);

  const fetched = join(theirs.data, 'pg_wal/RECOVERYXLOG');
  expect(await runPgarcElsewhere(elsewhere, ['wal-fetch', name, fetched], options)).toMatchObject({
    code: 0,
  });
  expect((await readFile(join(ours.data, 'pg_wal/RECOVERYXLOG'))).equals(bytes)).toBe(true);
  expect(daemon.stderr()).not.toMatch(/walTaken|walFetched|walPushed/);

  // Beside the daemon it is served, by Node too.
  const next = await theirs.add({ number: 2, ready: false });
  const noCurl = { env: { ...env, PATH: '/nowhere', PGARC_NODE: process.execPath }, asPostgres: false };
  expect(await runPgarc(['wal-push', next.path], noCurl)).toMatchObject({ code: 0 });
  expect(daemon.stderr()).toMatch(`walPushed name=${next.name}`);
});
