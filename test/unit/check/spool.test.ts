import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkSpool } from '../../../src/check/spool.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it('makes the spool and proves that it is writable', async () => {
  const spool = join(await makeTemporaryFolder(), 'deep/spool');
  expect(await checkSpool(spool)).toMatchObject({ name: 'spool', message: expect.stringContaining(spool) });
  expect(await readdir(spool)).toEqual([]);
});

it('warns of one that others may write to', async () => {
  const spool = await makeTemporaryFolder();
  await chmod(spool, 0o777);
  expect((await checkSpool(spool)).status).toBe('warning');
});

it('fails where a file is in the way', async () => {
  const path = join(await makeTemporaryFolder(), 'file');
  await writeFile(path, '');
  await expect(checkSpool(path)).rejects.toThrow();
});
