import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findBadPages } from '../../../src/postgres/page-checksum.ts';
import { startPostgres } from '../../support/postgres.ts';

it.each([15, 18] as const)('findBadPages agrees with PostgreSQL %i on a whole cluster', async (version) => {
  const server = await startPostgres({ version });
  await server.query(
    'CREATE TABLE t AS SELECT g AS id, repeat(md5(g::text), 5) AS x FROM generate_series(1, 50000) g',
  );
  await server.query('CREATE INDEX ON t (x)');
  await server.query('DELETE FROM t WHERE id % 3 = 0');
  await server.query('VACUUM t');
  const relation = await server.value("SELECT pg_relation_filepath('t')");
  await server.stop();

  let checked = 0;
  for (const folder of [
    'global',
    'base/1',
    'base/5',
    'base/4',
    relation.slice(0, relation.lastIndexOf('/')),
  ]) {
    for (const name of await readdir(join(server.dataDir, folder)).catch(() => [])) {
      if (!/^\d+(_\w+)?$/.test(name)) continue;
      const content = await readFile(join(server.dataDir, folder, name));
      expect(findBadPages(content, 0), `${folder}/${name}`).toEqual([]);
      checked += content.length / 8192;
    }
  }
  expect(checked).toBeGreaterThan(3000);
});
