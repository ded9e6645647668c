import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findClusterDirectory, mapExitCode } from '../../../cli/exit-code.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it('never lets wal-push kill the archiver', () => {
  expect([0, 1, 7, 75, 126, 134, 255].map((code) => mapExitCode('wal-push', code, '/'))).toEqual([
    0, 1, 7, 75, 1, 1, 1,
  ]);
});

it('never lets wal-fetch say "not there" on a failure', async () => {
  const cluster = await makeTemporaryFolder();
  const map = () => [0, 74, 1, 2, 7, 8, 75, 137].map((code) => mapExitCode('wal-fetch', code, cluster));
  expect(map()).toEqual([0, 74, 255, 255, 255, 255, 255, 255]);
  await writeFile(join(cluster, 'standby.signal'), '');
  expect(map()).toEqual([0, 74, 75, 75, 75, 75, 75, 75]);
});

it('leaves the codes of other commands alone', () => {
  expect([0, 1, 8, 255].map((code) => mapExitCode('verify', code, '/'))).toEqual([0, 1, 8, 255]);
  expect(mapExitCode(undefined, 2, '/')).toBe(2);
});

it('finds the cluster a file is restored for', async () => {
  const cluster = await makeTemporaryFolder();
  await mkdir(join(cluster, 'pg_wal'));
  expect(findClusterDirectory(join(cluster, 'pg_wal/RECOVERYXLOG'), '/other')).toBe(cluster);
  expect(findClusterDirectory('/tmp/file', '/other')).toBe('/other');
  expect(findClusterDirectory('pg_wal/RECOVERYXLOG', '/other')).toBe(process.cwd());
  expect(findClusterDirectory(undefined, undefined)).toBe(process.cwd());
});
