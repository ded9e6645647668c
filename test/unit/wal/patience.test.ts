import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choosePatience } from '../../../src/wal/patience.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

test('a standby does not wait long for a store, whoever else does', async () => {
  const settings = { fetchTimeout: 600_000, standbyFetchTimeout: 5000 };
  const pgdata = await makeTemporaryFolder('pgdata');
  expect(await choosePatience(pgdata, settings)).toBe(600_000);
  expect(await choosePatience(undefined, settings)).toBe(600_000);
  await writeFile(join(pgdata, 'standby.signal'), '');
  expect(await choosePatience(pgdata, settings)).toBe(5000);
});
