import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';

test('the bundle archives, backs up, lists and verifies without the sources', async () => {
  const release = join(await makeTemporaryFolder('release'), 'pgarc');
  await mustRun(process.execPath, [`${ROOT}/scripts/build.ts`, join(release, 'dist')], { asPostgres: false });
  await mkdir(join(release, 'cli'));
  await cp(`${ROOT}/cli/pgarc`, join(release, 'cli/pgarc'));
  // What npm installs beside it: the modules with native parts, and a Node for the launcher.
  await symlink(`${ROOT}/node_modules`, join(release, 'node_modules'));
  expect((await readdir(release)).sort()).toEqual(['cli', 'dist', 'node_modules']);

  const pgarc = join(release, 'cli/pgarc');
  const store = await makeOwnedDirectory(join(await makeTemporaryFolder('store'), 'archive'));
  const env = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const server = await startPostgres({
    env,
    settings: { archive_mode: 'on', archive_command: `${pgarc} wal-push %p` },
  });
  const run = (...args: string[]) => mustRun(pgarc, args, { env: { ...env, ...server.env } });
  expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(JSON.parse(await run('check', '--json')).ok).toBe(true);
  const { name } = JSON.parse(await run('backup-push', '--json'));
  expect(await run('backup-list')).toContain(name);
  await run('verify', name);
  const restored = join(await makeTemporaryFolder('restored'), 'data');
  await makeOwnedDirectory(restored);
  await run('backup-fetch', restored, name);
  // The server that is restored runs this very release.
  expect(await readFile(join(restored, 'postgresql.auto.conf'), 'utf8')).toContain(pgarc);
  const { settings } = JSON.parse(await run('config', 'show', '--json'));
  expect(settings).toContainEqual(expect.objectContaining({ name: 'store', value: env.PGARC_STORE }));
});
