import type { TestPostgres } from '../../test/support/postgres.ts';

/** Inserts and updates rows of mixed text, as an application would: WAL that compresses about 3 to 1. */
export async function writeRows(server: TestPostgres, rows: number): Promise<void> {
  await server.query(
    'CREATE TABLE IF NOT EXISTS work (id bigserial PRIMARY KEY, name text, note text, at timestamptz)',
  );
  await server.query(
    `INSERT INTO work (name, note, at)
       SELECT md5(random()::text), repeat('note ' || i, 1 + i % 40), now() FROM generate_series(1, $1::int) i`,
    [rows],
  );
  await server.query(
    'UPDATE work SET at = now() WHERE id % 10 = 0 AND id > (SELECT max(id) FROM work) - $1',
    [rows],
  );
}

/** Creates many tables of one row, some thousand a transaction. */
export async function createSmallTables(server: TestPostgres, count: number): Promise<void> {
  const batch = 1000;
  for (let from = 0; from < count; from += batch) {
    await server.query(
      `DO $$ BEGIN FOR i IN ${from}..${Math.min(from + batch, count) - 1} LOOP
         EXECUTE format('CREATE TABLE small_%s (id int, v int)', i);
         EXECUTE format('INSERT INTO small_%s VALUES (%s, 1)', i, i);
       END LOOP; END $$`,
    );
  }
}
