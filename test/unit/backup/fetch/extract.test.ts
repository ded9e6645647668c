import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { extractInto, keepNothing } from '../../../../src/backup/fetch/extract.ts';
import { Ledger } from '../../../../src/backup/fetch/ledger.ts';
import { MARK } from '../../../../src/backup/fetch/mark.ts';
import type { Step } from '../../../../src/backup/fetch/plan.ts';
import { Tree } from '../../../../src/backup/fetch/tree.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

it('passes over what an earlier restore left in a directory that another tool backed up', async () => {
  const root = await makeTemporaryFolder('extract');
  const place = join(root, 'pg_tblspc/16384');
  await mkdir(place, { recursive: true });
  for (const directory of [root, place]) await writeFile(join(directory, MARK), 'own');
  const step = { ledger: new Ledger(undefined), isNewest: true, increments: new Set<string>() };
  const handler = extractInto(new Tree(root, undefined), step as unknown as Step, new Set(), keepNothing());
  async function* body() {
    yield Buffer.from('left');
  }
  const names = [MARK, `pg_tblspc/16384/${MARK}`, 'postmaster.pid', `pg_tblspc/16384/${MARK}.mine`];
  for (const name of names) {
    const entry = { name, type: 'file', size: 4, mode: 0o600, mtime: new Date(0), uid: 0, gid: 0 } as const;
    await handler.file(name, entry, body());
  }
  for (const directory of [root, place]) expect(await readFile(join(directory, MARK), 'utf8')).toBe('own');
  expect((await readdir(root)).sort()).toEqual(['pg_tblspc', MARK].sort());
  expect((await readdir(place)).sort()).toEqual([MARK, `${MARK}.mine`]);
});
