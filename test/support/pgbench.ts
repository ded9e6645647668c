import { expect } from 'vitest';
import { atEnd } from './cleanup.ts';
import type { TestPostgres } from './postgres.ts';
import { findBinaries } from './postgres-binaries.ts';
import { startProgram } from './run.ts';

/** Fills pgbench's tables: 15 MB for each unit of scale. */
export async function fillPgbench(server: TestPostgres, scale: number): Promise<void> {
  await server.tool('pgbench', ['-i', '-q', '-s', String(scale)]);
}

/** Starts pgbench with two clients. @returns how to stop it */
export function startPgbench(server: TestPostgres, rate = 300): () => Promise<void> {
  const args = ['-n', '-c', '2', '-R', String(rate), '-T', '600'];
  const running = startProgram(`${findBinaries(15)}/pgbench`, args, { env: server.env, timeout: 600_000 });
  const stop = async () => {
    running.child.kill('SIGINT');
    await running.result;
  };
  atEnd(stop);
  return stop;
}

/** pgbench's own invariant: every transaction adds the same amount to an account, a teller and a branch. */
export async function expectPgbenchBalanced(server: TestPostgres): Promise<void> {
  const [row] = await server.query<Record<string, string>>(
    `SELECT (SELECT sum(abalance) FROM pgbench_accounts) AS accounts, (SELECT sum(tbalance) FROM pgbench_tellers) AS tellers,
            (SELECT sum(bbalance) FROM pgbench_branches) AS branches, (SELECT sum(delta) FROM pgbench_history) AS history`,
  );
  expect(new Set(Object.values(row!)).size, JSON.stringify(row)).toBe(1);
}
