import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';

/** The tree that WAL-G wrote; its README has the check values. */
export const SAMPLE = join(import.meta.dirname, '../fixtures/walg-sample/store');
export const SAMPLE_FULL = 'base_000000010000000000000002';
export const SAMPLE_DELTA = 'base_000000010000000000000004_D_000000010000000000000002';

/** Rows and md5 of t, then of u, at the end of the sample's archive. */
export const SAMPLE_END = '24000|5542058a51c4f96546e612556092ea65|5001|9e929c6e106e48df7cb96885dd5ac45b';

/** Copies the sample to a folder that tests may change. */
export async function copySample(): Promise<string> {
  const folder = await makeTemporaryFolder('sample');
  const store = join(folder, 'store');
  await cp(SAMPLE, store, { recursive: true });
  await mustRun('chmod', ['-R', 'u+w', store], { asPostgres: false });
  await mustRun('chmod', ['-R', 'a+rX', store], { asPostgres: false });
  giveAway(store);
  return store;
}

/** The check values of a server that was restored from the sample. */
export async function readSampleValues(server: TestPostgres): Promise<string> {
  const values = await server.query<{ rows: string; sum: string }>(`
    SELECT count(*)::text AS rows, md5(string_agg(x::text, '|' ORDER BY x::text)) AS sum FROM t x
    UNION ALL
    SELECT count(*)::text, md5(string_agg(x::text, '|' ORDER BY x::text)) FROM u x`);
  return values.map(({ rows, sum }) => `${rows}|${sum}`).join('|');
}
