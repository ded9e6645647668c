import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadSyncfs, tellsOfFailures } from '../../../src/system/syncfs.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it.each([
  ['5.8.0', true],
  ['5.10.0-8-amd64', true],
  ['6.1.0-18-amd64', true],
  ['5.7.19', false],
  ['4.18.0-553.el8_10.x86_64', false],
  ['', false],
])('syncfs of kernel %j tells of failures: %s', (version, tells) => {
  expect(tellsOfFailures(version)).toBe(tells);
});

it('syncfs works, or says why not', async (context) => {
  const syncfs = await loadSyncfs();
  if (syncfs === undefined) return context.skip();
  const folder = await makeTemporaryFolder('syncfs');
  expect(['', 'ENOSYS', 'EPERM']).toContain(await syncfs(folder));
  await expect(syncfs(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
});
