import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool, QueryResultRow } from 'pg';
import { isArchived } from './archived.ts';
import { atEnd } from './cleanup.ts';
import { PGARC } from './pgarc.ts';
import { freePort } from './ports.ts';
import { findBinaries, type PostgresVersion } from './postgres-binaries.ts';
import { cleanEnvironment, mustRun, type RunOptions } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged } from './unprivileged.ts';
import { waitFor } from './wait.ts';

export interface PostgresOptions {
  /** Major version; default 15, Debian's. */
  version?: PostgresVersion;
  /** An existing data directory (restored, say); without it a new cluster is made. */
  dataDir?: string;
  /** Where to make a new cluster; default a temporary folder. */
  newDataDir?: string;
  /** Page checksums, default true. */
  checksums?: boolean;
  /** MiB, default 16. */
  walSegmentSize?: number;
  /** Lines of postgresql.conf; they win over everything in a data directory but postgresql.auto.conf. */
  settings?: Record<string, string | number | boolean>;
  /** Environment of the server, hence of archive_command and restore_command. */
  env?: Record<string, string | undefined>;
  /** Sets archive_mode and archive_command = 'pgarc wal-push %p', which runs in `env`. */
  archive?: boolean;
  /** Start it? Default true. */
  start?: boolean;
}

export interface TestPostgres {
  readonly version: PostgresVersion;
  readonly dataDir: string;
  readonly port: number;
  readonly socketDir: string;
  /** PGHOST, PGPORT, PGUSER, PGDATABASE for any libpq program, and PGDATA. */
  readonly env: Record<string, string>;
  /** Runs SQL through a small pool. @returns its rows */
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** First column of the first row, as text. */
  value(sql: string, values?: unknown[]): Promise<string>;
  /** Runs SQL through psql -Atq (not with embedded binaries, which have no psql). */
  psql(sql: string): Promise<string>;
  /** Runs a program of this version's bin directory against this server. @returns its stdout */
  tool(name: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts it and waits until it takes connections; throws with the log when it ends instead. */
  start(options?: { wait?: boolean }): Promise<void>;
  stop(mode?: 'smart' | 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL to the postmaster; its children notice and end. */
  kill(): Promise<void>;
  /** Waits until the server has ended by itself. @returns its exit code */
  exited(timeout?: number): Promise<number | null>;
  isRunning(): boolean;
  promote(): Promise<void>;
  /** Switches the segment and waits until the archiver has stored all of it. */
  archiveAll(): Promise<void>;
  /** Everything the server has logged. */
  log(): Promise<string>;
}

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** Makes a cluster, or takes an existing directory, and starts a server on it; stopped at the file's end. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const version = options.version ?? 15;
  const bin = findBinaries(version);
  const folder = await makeTemporaryFolder('pg');
  const dataDir = options.dataDir ?? options.newDataDir ?? join(folder, 'data');
  if (options.dataDir === undefined) await initialize(bin, dataDir, options);
  const port = await freePort();
  const logFile = join(folder, 'server.log');
  const env = { PGHOST: folder, PGPORT: String(port), PGUSER: 'postgres', PGDATABASE: 'postgres' };

  let child: ChildProcess | undefined;
  let exitCode: number | null | undefined;
  let pool: Pool | undefined;

  const server: TestPostgres = {
    version,
    dataDir,
    port,
    socketDir: folder,
    env: { ...env, PGDATA: dataDir },

    async query<Row extends QueryResultRow>(sql: string, values: unknown[] = []) {
      pool ??= await openPool(env);
      return (await pool.query<Row>(sql, values)).rows;
    },
    async value(sql, values) {
      const [row] = await server.query(sql, values);
      return String(Object.values(row ?? {})[0] ?? '');
    },
    async psql(sql) {
      return (await server.tool('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], { stdin: sql })).trimEnd();
    },
    tool(name, args, more = {}) {
      return mustRun(join(bin, name), args, { ...more, env: { ...env, ...more.env } });
    },

    async start({ wait = true } = {}) {
      if (server.isRunning()) throw new Error('this server runs already');
      const [file, args] = asUnprivileged(join(bin, 'postgres'), [
        '-D',
        dataDir,
        ...settings(options, folder, port),
      ]);
      // Not through this process: what the server has said is in the file as soon as it has ended.
      const log = openSync(logFile, 'a');
      const started = spawn(file, args, {
        cwd: folder,
        env: cleanEnvironment({ ...options.env, PGDATA: dataDir }),
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      child = started;
      exitCode = undefined;
      started.once('error', () => {
        exitCode = null;
      });
      started.once('exit', (code) => {
        exitCode = code;
      });
      if (wait) await waitForConnections(server);
    },
    async stop(mode = 'fast') {
      await pool?.end();
      pool = undefined;
      if (!server.isRunning()) return;
      child?.kill(SIGNALS[mode]);
      await server.exited();
    },
    async kill() {
      child?.kill('SIGKILL');
      await server.exited();
      await pool?.end().catch(() => undefined);
      pool = undefined;
      // The children end when they notice, and only then may another postmaster start.
      await waitFor(async () => !(await hasChildren(dataDir)), {
        what: 'the end of the children of postmaster',
      });
    },
    async exited(timeout = 60_000) {
      await waitFor(() => exitCode !== undefined, { timeout, what: 'the end of PostgreSQL' });
      return exitCode ?? null;
    },
    isRunning: () => child !== undefined && exitCode === undefined,

    async promote() {
      await server.query('SELECT pg_promote(true, 60)');
      await waitFor(async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false', {
        what: 'promotion',
      });
    },
    async archiveAll() {
      const segment = await server.value('SELECT pg_walfile_name(pg_switch_wal())');
      await waitFor(async () => (await server.value(isArchived(segment))) === 'true', {
        timeout: 120_000,
        what: `the archiving of ${segment}; the log says:\n${await tail(logFile)}`,
      });
    },
    log: () => readFile(logFile, 'utf8').catch(() => ''),
  };

  atEnd(async () => {
    await server.stop('immediate');
  });
  if (options.start !== false) await server.start();
  return server;
}

/** Copies a running server with pg_basebackup and starts the copy as its streaming standby. */
export async function startStandby(
  primary: TestPostgres,
  options: PostgresOptions = {},
): Promise<TestPostgres> {
  const dataDir = join(await makeTemporaryFolder('pg'), 'data');
  await primary.tool('pg_basebackup', ['-D', dataDir, '-R', '-X', 'stream', '-c', 'fast']);
  return startPostgres({ version: primary.version, ...options, dataDir });
}

async function initialize(bin: string, dataDir: string, options: PostgresOptions): Promise<void> {
  const args = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
  // Version 18 has page checksums unless told otherwise; older ones only know how to switch them on.
  if (options.checksums ?? true) args.push('--data-checksums');
  else if ((options.version ?? 15) >= 18) args.push('--no-data-checksums');
  if (options.walSegmentSize !== undefined) args.push('--wal-segsize', String(options.walSegmentSize));
  await mustRun(join(bin, 'initdb'), args);
  const lines = ['fsync = off', 'max_wal_senders = 4', 'log_checkpoints = off', "timezone = 'UTC'"];
  await appendFile(join(dataDir, 'postgresql.conf'), `${lines.join('\n')}\n`);
}

function settings(options: PostgresOptions, socketDir: string, port: number): string[] {
  const all: Record<string, string | number | boolean> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: socketDir,
    shared_buffers: '32MB',
    ...(options.archive ? { archive_mode: 'on', archive_command: `${PGARC} wal-push %p` } : {}),
    ...options.settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function openPool(env: Record<string, string>): Promise<Pool> {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({
    host: env.PGHOST!,
    port: Number(env.PGPORT),
    user: env.PGUSER!,
    database: env.PGDATABASE!,
    max: 4,
  });
  // A server that stops closes its idle connections, which is no news to a test.
  pool.on('error', () => undefined);
  return pool;
}

async function waitForConnections(server: TestPostgres): Promise<void> {
  await waitFor(
    async () => {
      if (!server.isRunning()) return true;
      return (
        existsSync(join(server.socketDir, `.s.PGSQL.${server.port}`)) && (await server.query('SELECT 1'))
      );
    },
    { timeout: 120_000, what: 'PostgreSQL to take connections' },
  ).catch(async (error) => {
    throw new Error(`${error.message}; its log:\n${await tail(join(server.socketDir, 'server.log'))}`);
  });
  if (!server.isRunning()) {
    throw new Error(
      `PostgreSQL ended at start; its log:\n${await tail(join(server.socketDir, 'server.log'))}`,
    );
  }
}

/** True while a process of the cluster is attached to its shared memory (as postmaster itself checks). */
async function hasChildren(dataDir: string): Promise<boolean> {
  const pidFile = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const postmaster = pidFile.split('\n')[0];
  if (!postmaster) return false;
  const { readdir, readlink } = await import('node:fs/promises');
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (cwd === dataDir) return true;
  }
  return false;
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').slice(-40).join('\n');
}
