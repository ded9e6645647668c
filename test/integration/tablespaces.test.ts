import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
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
