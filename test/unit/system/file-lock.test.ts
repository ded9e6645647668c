import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { holdLock, lockFile } from '../../../src/system/file-lock.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it('a lock names who has it, and ends with its holder', async () => {
  const path = join(await makeTemporaryFolder(), 'lock');
  const held = await lockFile(path);
  await expect(lockFile(path)).rejects.toMatchObject({
    code: 'locked',
    exitCode: 6,
    message: `process ${process.pid} has locked ${path}`,
  });
  await held.close();
  await (await lockFile(path)).close();
});

it('a lock that cannot be had for another reason is not said to be somebody’s', async () => {
  const path = join(await makeTemporaryFolder(), 'lock');
  const handle = await open(path, 'w');
  await handle.close();
  await expect(holdLock(handle, path)).rejects.toMatchObject({
    code: 'failed',
    message: `cannot lock ${path}: EBADF`,
  });
});
