import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choosePatience, STANDBY_PATIENCE } from '../../../src/wal/patience.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

test('a standby does not wait long for a store, whoever else does', async () => {
  const pgdata = await makeTemporaryFolder('pgdata');
  expect(await choosePatience(pgdata, 600_000)).toBe(600_000);
  expect(await choosePatience(undefined, 600_000)).toBe(600_000);
  await writeFile(join(pgdata, 'standby.signal'), '');
  expect(await choosePatience(pgdata, 600_000)).toBe(STANDBY_PATIENCE);
  expect(await choosePatience(pgdata, 100)).toBe(100);
});
