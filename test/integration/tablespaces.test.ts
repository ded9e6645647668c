import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/backup/format/manifest.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeRestoreTarget, restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore, type TestStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';

interface Tablespace {
  name: string;
  oid: string;
  location: string;
}

describe('a cluster with two tablespaces', () => {
  let store: TestStore;
  let server: TestPostgres;
  const spaces: Tablespace[] = [];

  beforeAll(async () => {
    store = await makeStore('folder');
    server = await startPostgres({ archive: true, env: store.env });
    for (const name of ['fast', 'with space']) {
      const location = await makeOwnedDirectory(join(await makeTemporaryFolder('ts'), name));
      await server.query(`CREATE TABLESPACE "${name}" LOCATION '${location}'`);
      const oid = await server.value('SELECT oid FROM pg_tablespace WHERE spcname = $1', [name]);
      spaces.push({ name, oid, location });
      await server.query(
        `CREATE TABLE "in ${name}" TABLESPACE "${name}" AS SELECT generate_series(1, 5000) AS a`,
      );
    }
    await mustRunPgarc(['backup-push', server.dataDir], { env: { ...store.env, ...server.env } });
    await server.query('INSERT INTO "in fast" VALUES (0)');
    await server.archiveAll();
  });

  async function expectRestored(dataDir: string, locations: string[]): Promise<void> {
    await verifyRestored(dataDir);
    for (const [i, { oid }] of spaces.entries()) {
      expect(await readlink(join(dataDir, 'pg_tblspc', oid))).toBe(locations[i]);
      expect(await readFile(join(dataDir, 'tablespace_map'), 'utf8')).toContain(`${oid} ${locations[i]}\n`);
    }
    const restored = await startRestored(dataDir, store.env);
    expect(await restored.value('SELECT count(*) FROM "in fast"')).toBe('5001');
    expect(await restored.value('SELECT count(*) FROM "in with space"')).toBe('5000');
    const known = await restored.query<{ at: string }>(
      'SELECT pg_tablespace_location(oid) AS at FROM pg_tablespace WHERE oid > 16383 ORDER BY oid',
    );
    expect(known.map((row) => row.at)).toEqual(locations);
    await restored.stop();
  }

  test('goes under --tablespace-root', async () => {
    const root = await makeTemporaryFolder('root');
    const { dataDir } = await restore(store.env, ['--tablespace-root', root]);
    await expectRestored(
      dataDir,
      spaces.map(({ oid }) => join(root, oid)),
    );
  });

  test('goes where --tablespace-map says, by oid and by directory', async () => {
    const folder = await makeTemporaryFolder('map');
    const places = [join(folder, 'one'), join(folder, 'two words')];
    const { dataDir } = await restore(store.env, [
      ...['--tablespace-map', `${spaces[0]!.oid}=${places[0]}`],
      ...['--tablespace-map', `${spaces[1]!.location}=${places[1]}`],
    ]);
    await expectRestored(dataDir, places);
  });

  test('is refused when its own place is in use, with the option to add, and nothing is written', async () => {
    const dataDir = await makeRestoreTarget();
    const result = await runPgarc(['backup-fetch', dataDir, 'LATEST'], { env: store.env });
    expect(result.code).toBe(4);
    expect(result.stderr).toContain('--tablespace-map');
    expect(result.stderr).toContain(spaces[0]!.location);
    expect(await readdir(dataDir).catch(() => [])).toEqual([]);
  });

  test('goes to its own place once that is empty again', async () => {
    await server.stop();
    const locations = spaces.map(({ location }) => location);
    for (const location of locations) {
      for (const entry of await readdir(location)) await rm(join(location, entry), { recursive: true });
    }
    const { dataDir } = await restore(store.env);
    await expectRestored(dataDir, locations);
  });
});

test('a tablespace whose path is not UTF-8 is backed up and restored under that path', async () => {
  const folder = await makeTemporaryFolder('ts');
  const location = Buffer.from(`${folder}/caf\xe9`, 'latin1');
  const { uid, gid } = await stat(folder);
  await mkdir(location, { mode: 0o700 });
  await chown(location, uid, gid);
  const store = await makeStore('folder');
  const server = await startPostgres({ archive: true, env: store.env });
  await server.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  const inLatin = (on: TestPostgres, sql: string) =>
    on.tool('psql', ['-XAtq', '-d', 'latin', '-c', sql], { env: { PGCLIENTENCODING: 'UTF8' } });
  await inLatin(server, `CREATE TABLESPACE raw LOCATION '${folder}/café'`);
  await inLatin(server, 'CREATE TABLE t TABLESPACE raw AS SELECT generate_series(1, 5000) AS a');
  const oid = await server.value("SELECT oid FROM pg_tablespace WHERE spcname = 'raw'");
  const link = await readlink(join(server.dataDir, 'pg_tblspc', oid), { encoding: 'buffer' });
  expect(link, 'what PostgreSQL made').toEqual(location);
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...store.env, ...server.env } });
  await server.stop();
  // For tools that take the backup's own map.
  const map = Buffer.concat([Buffer.from(`${oid} `), location, Buffer.from('\n')]);
  const [manifestKey] = (await store.keys()).filter((key) => key.endsWith('/backup_manifest'));
  const manifest = parseManifest(await store.read(manifestKey!));
  expect(manifest.files.find(({ path }) => path === 'tablespace_map')).toMatchObject({
    size: map.length,
    crc32c: crc32c(map),
  });

  const target = await makeRestoreTarget();
  const refused = await runPgarc(['backup-fetch', target, 'LATEST'], { env: store.env });
  expect(refused, refused.stderr).toMatchObject({ code: 4, stderr: expect.stringContaining(`${oid}=`) });

  await rm(location, { recursive: true });
  const { dataDir } = await restore(store.env);
  expect(await readdir(folder, { encoding: 'buffer' })).toEqual([Buffer.from('caf\xe9', 'latin1')]);
  expect(await readlink(join(dataDir, 'pg_tblspc', oid), { encoding: 'buffer' })).toEqual(location);
  expect(await readFile(join(dataDir, 'tablespace_map'))).toEqual(map);
  await verifyRestored(dataDir);
  const restored = await startRestored(dataDir, store.env);
  expect(await inLatin(restored, 'SELECT count(*) FROM t')).toBe('5000\n');
  await restored.stop();
});

test('a linked pg_tblspc is backed up with its tablespaces, and comes back as a directory', async () => {
  const folder = await makeTemporaryFolder('disk');
  const location = await makeOwnedDirectory(join(folder, 'ts'));
  const store = await makeStore('folder');
  const server = await startPostgres({ archive: true, env: store.env, start: false });
  const links = join(server.dataDir, 'pg_tblspc');
  await rename(links, join(folder, 'links'));
  await symlink(join(folder, 'links'), links);
  await server.start();
  await server.query(`CREATE TABLESPACE far LOCATION '${location}'`);
  await server.query('CREATE TABLE t TABLESPACE far AS SELECT generate_series(1, 5000) AS a');
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...store.env, ...server.env } });
  await server.stop();

  const { dataDir } = await restore(store.env, ['--tablespace-root', await makeTemporaryFolder('root')]);
  expect((await lstat(join(dataDir, 'pg_tblspc'))).isDirectory()).toBe(true);
  await verifyRestored(dataDir);
  const restored = await startRestored(dataDir, store.env);
  expect(await restored.value('SELECT count(*) FROM t')).toBe('5000');
});

test("tablespaces' directories have the mode of the data directory, as with initdb --allow-group-access", async () => {
  const location = await makeOwnedDirectory(join(await makeTemporaryFolder('ts'), 'open'));
  const store = await makeStore('folder');
  const server = await startPostgres({ archive: true, env: store.env, start: false });
  await chmod(server.dataDir, 0o750);
  await server.start();
  await server.query(`CREATE TABLESPACE open LOCATION '${location}'`);
  const oid = await server.value("SELECT oid FROM pg_tablespace WHERE spcname = 'open'");
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...store.env, ...server.env } });

  const root = await makeTemporaryFolder('root');
  const { dataDir } = await restore(store.env, ['--tablespace-root', root]);
  for (const directory of [location, dataDir, join(root, oid)])
    expect([directory, (await stat(directory)).mode & 0o777]).toEqual([directory, 0o750]);
});
