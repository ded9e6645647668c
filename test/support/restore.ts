import { join } from 'node:path';
import { expect } from 'vitest';
import { mustRunPgarc, type RunResult } from './pgarc.ts';
import { type PostgresOptions, startPostgres, type TestPostgres } from './postgres.ts';
import { findBinaries } from './postgres-binaries.ts';
import { mustRun } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { waitFor } from './wait.ts';

/** An empty place to restore into. */
export async function makeRestoreTarget(): Promise<string> {
  return join(await makeTemporaryFolder('restored'), 'data');
}

/** Restores with `pgarc backup-fetch`. @returns where to, and what it said */
export async function restore(
  env: Record<string, string>,
  args: readonly string[] = [],
  name = 'LATEST',
): Promise<{ dataDir: string; result: RunResult }> {
  const dataDir = await makeRestoreTarget();
  const result = await mustRunPgarc(['backup-fetch', dataDir, name, ...args], { env });
  return { dataDir, result };
}

/** Starts a restored directory and waits until it has left recovery. */
export async function startRestored(
  dataDir: string,
  env: Record<string, string>,
  options: PostgresOptions = {},
): Promise<TestPostgres> {
  const server = await startPostgres({ ...options, dataDir, env });
  await waitFor(async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false', {
    what: 'the end of recovery',
    timeout: 120_000,
  });
  return server;
}

/** PostgreSQL's own pg_verifybackup finds the restored directory as it should be, before it is started. */
export async function verifyRestored(dataDir: string): Promise<void> {
  const program = join(findBinaries(15), 'pg_verifybackup');
  expect(await mustRun(program, ['-n', dataDir])).toMatch(/successfully verified/);
}

/** Heaps and indexes of every database are sound. */
export async function amcheck(server: TestPostgres): Promise<void> {
  const args = ['--all', '--install-missing', '--heapallindexed', '--parent-check'];
  expect(await server.tool('pg_amcheck', args)).toBe('');
}
