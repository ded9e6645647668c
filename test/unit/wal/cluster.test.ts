import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { findCluster, readClusterControl } from '../../../src/wal/cluster.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

it('finds the cluster by pg_wal, by the working directory and by PGDATA', async () => {
  const folder = await makeTemporaryFolder();
  const data = join(folder, 'data');
  const disk = join(folder, 'disk');
  await mkdir(data);
  await mkdir(disk);
  await symlink(disk, join(data, 'pg_wal'));
  const nowhere = { cwd: '/', pgdata: undefined };
  expect(await findCluster('pg_wal/RECOVERYXLOG', { ...nowhere, cwd: data })).toBe(data);
  expect(await findCluster(join(data, 'pg_wal/X'), nowhere)).toBe(data);
  expect(await findCluster(join(disk, 'X'), nowhere)).toBeUndefined();
  expect(await findCluster(join(disk, 'X'), { ...nowhere, cwd: data })).toBe(data);
  expect(await findCluster(join(disk, 'X'), { ...nowhere, pgdata: data })).toBe(data);
  expect(await findCluster(join(folder, 'X'), { cwd: data, pgdata: data })).toBeUndefined();
  expect(await findCluster('/does/not/exist/X', { cwd: data, pgdata: data })).toBeUndefined();
});

it('reads no pg_control where there is none, without a word', async () => {
  const events: PgarcEvent[] = [];
  const emit = (event: PgarcEvent) => events.push(event);
  expect(await readClusterControl(undefined, emit)).toBeUndefined();
  expect(await readClusterControl(await makeTemporaryFolder(), emit)).toBeUndefined();
  expect(events).toEqual([]);
});
