import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunOptions, type RunResult, runPgarc } from './pgarc.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { giveAway } from './unprivileged.ts';

/** The user Patroni replicates with. */
export const REPLICATOR = 'replicator';

/** A connection string as Patroni writes it (config.py, format_dsn), of a server on 127.0.0.1. */
export function connstringOf(server: Pick<TestPostgres, 'port'>, user = REPLICATOR): string {
  return `dbname=postgres user=${user} host=127.0.0.1 port=${server.port}`;
}

/** Puts lines before all others of pg_hba.conf and tells the server. */
export async function allowFirst(server: TestPostgres, ...lines: string[]): Promise<void> {
  const path = join(server.dataDir, 'pg_hba.conf');
  await writeFile(path, `${lines.join('\n')}\n${await readFile(path, 'utf8')}`);
  await server.query('SELECT pg_reload_conf()');
}

/** The arguments Patroni hands to a method (bootstrap.py, create_replica): the method's keys, then its own. */
export function patroniArguments(
  method: Readonly<Record<string, string>>,
  own: { datadir: string; connstring: string; scope?: string },
): string[] {
  const { datadir, connstring, scope = 'main' } = own;
  const all = { ...method, scope, role: 'replica', datadir, connstring };
  return Object.entries(all).map(([name, value]) => `--${name}=${value}`);
}

/** Runs `pgarc replica-bootstrap` as Patroni does. */
export function runReplicaBootstrap(
  own: { datadir: string; connstring: string; scope?: string },
  options: RunOptions & { method?: Record<string, string>; more?: readonly string[] } = {},
): Promise<RunResult> {
  const { method = {}, more = [], ...rest } = options;
  return runPgarc(['replica-bootstrap', ...patroniArguments(method, own), ...more], rest);
}

/** Does what Patroni does next: a signal file, settings, start. @returns the streaming standby */
export async function startAsStandby(
  dataDir: string,
  leader: TestPostgres,
  env: Record<string, string>,
): Promise<TestPostgres> {
  const signal = join(dataDir, 'standby.signal');
  await writeFile(signal, '');
  giveAway(signal);
  return startPostgres({ dataDir, env, settings: { primary_conninfo: connstringOf(leader) } });
}
