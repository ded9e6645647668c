import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { QueryResultRow } from 'pg';
import { isAlive } from '../../src/system/process.ts';
import { atEnd } from './cleanup.ts';
import type { NetworkPlace } from './network.ts';
import { ROOT } from './pgarc.ts';
import { freePort } from './ports.ts';
import { findBinaries } from './postgres-binaries.ts';
import { cleanEnvironment } from './run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged } from './unprivileged.ts';
import { waitFor } from './wait.ts';

/** The image's entry point. */
const ENTRYPOINT = join(ROOT, 'images/patroni/entrypoint');

export interface PatroniNodeOptions {
  place: NetworkPlace;
  isIsolated: boolean;
  superuserPassword: string;
  env: Record<string, string | undefined>;
}

/** One node of a cluster: what runs in one container of the image, without the container. */
export interface PatroniNode {
  readonly name: string;
  readonly place: NetworkPlace;
  readonly folder: string;
  readonly dataDir: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly pgPort: number;
  readonly apiPort: number;
  /** Environment of the entry point, for a program that is to see the same settings. */
  readonly env: Record<string, string>;
  /** Starts the entry point, with more or other variables from now on. */
  start(env?: Record<string, string | undefined>): void;
  /** SIGTERM. @returns the exit code of the entry point */
  stop(): Promise<number | null>;
  /** SIGKILL to all processes of the node at once. */
  kill(): Promise<void>;
  /** SIGKILL to one process. */
  killPatroni(): Promise<void>;
  killPostgres(): Promise<void>;
  killDaemon(): Promise<void>;
  /** SIGKILL to entry point, Patroni, daemon: everything but the server, which runs on alone. */
  killAllButPostgres(): Promise<void>;
  isRunning(): boolean;
  /** Waits until the entry point has ended by itself. @returns its exit code */
  exited(timeout?: number): Promise<number | null>;
  /** All it has said; `since` leaves out that many characters. */
  log(since?: number): Promise<string>;
  /** Waits for a line of the log, after so many characters. @returns the match */
  logged(what: string | RegExp, since?: number, timeout?: number): Promise<string>;
  /** The answer of Patroni's API: status, and role, state, timeline where it has any. */
  ask(path: string): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Runs SQL on this node itself. */
  query<Row extends QueryResultRow>(sql: string): Promise<Row[]>;
  value(sql: string): Promise<string>;
  /** Processes of the node: pid and command line. */
  processes(): Promise<{ pid: number; command: string }[]>;
  /** Removes the data directory of a node that does not run. */
  wipe(): Promise<void>;
}

export async function makePatroniNode(options: PatroniNodeOptions): Promise<PatroniNode> {
  const { place, isIsolated } = options;
  const folder = await makeTemporaryFolder(place.name);
  const [dataDir, stateDir, runDir] = [join(folder, 'data'), join(folder, 'state'), join(folder, 'run')];
  for (const path of [dataDir, stateDir, runDir]) await makeOwnedDirectory(path);
  const pgPort = isIsolated ? 5432 : await freePort();
  const apiPort = isIsolated ? 8008 : await freePort();
  // To read afterwards what the nodes said, name a folder.
  const logFile = join(process.env.PGARC_TEST_LOGS ?? folder, `${place.name}.log`);
  const bin = findBinaries(15);
  const env: Record<string, string> = {
    NODE_ID: place.name,
    DOCKER_HOSTNAME: place.address,
    PG_DATA_DIR: dataDir,
    PG_BIN_DIR: bin,
    PG_SOCKET_DIR: runDir,
    RUN_DIR: runDir,
    STATE_DIR: stateDir,
    PGARC: join(ROOT, 'cli/pgarc'),
    PGARC_SPOOL: join(folder, 'spool'),
    PATRONI_POSTGRESQL_LISTEN: `${isIsolated ? '0.0.0.0' : '127.0.0.1'}:${pgPort}`,
    PATRONI_RESTAPI_LISTEN: `${isIsolated ? '0.0.0.0' : '127.0.0.1'}:${apiPort}`,
    ...(isIsolated ? {} : { PGARC_HTTP_LISTEN: 'off' }),
  };
  set(options.env);

  function set(more: Record<string, string | undefined>): void {
    for (const [name, value] of Object.entries(more)) {
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
  }

  let child: ChildProcess | undefined;
  let exitCode: number | null | undefined;

  const node: PatroniNode = {
    name: place.name,
    place,
    folder,
    dataDir,
    stateDir,
    configFile: join(runDir, 'patroni.yml'),
    pgPort,
    apiPort,
    env,

    start(more = {}) {
      if (node.isRunning()) throw new Error(`node ${node.name} runs already`);
      set(more);
      const [file, args] = place.inside(...asUnprivileged(ENTRYPOINT, []));
      const started = spawn(file, args, {
        cwd: folder,
        env: cleanEnvironment(env),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const log = createWriteStream(logFile, { flags: 'a' });
      for (const stream of [started.stdout, started.stderr]) stream.pipe(log, { end: false });
      child = started;
      exitCode = undefined;
      started.once('error', () => {
        exitCode = null;
      });
      started.once('exit', (code) => {
        exitCode = code;
      });
    },
    async stop() {
      if (!node.isRunning()) return exitCode ?? null;
      child?.kill('SIGTERM');
      return node.exited();
    },
    kill: () => killProcesses(() => true),
    killPatroni: () => killProcesses(isPatroni, false),
    killPostgres: () => killProcesses(({ command }) => command.startsWith(join(bin, 'postgres')), false),
    killDaemon: () => killProcesses(isDaemon, false),
    killAllButPostgres: () => killProcesses(({ command }) => !/(^|\/)postgres\b/.test(command)),
    isRunning: () => child !== undefined && exitCode === undefined,
    async exited(timeout = 60_000) {
      await waitFor(() => exitCode !== undefined, { timeout, what: `the end of node ${node.name}` });
      return exitCode ?? null;
    },

    log: async (since = 0) => (await readFile(logFile, 'utf8').catch(() => '')).slice(since),
    async logged(what, since = 0, timeout = 60_000) {
      return waitFor(
        async () => {
          const text = await node.log(since);
          if (typeof what === 'string') return text.includes(what) && what;
          return what.exec(text)?.[0];
        },
        { timeout, what: `${what} in the log of node ${node.name}` },
      );
    },
    async ask(path) {
      const answer = await fetch(`http://${place.address}:${apiPort}${path}`, {
        signal: AbortSignal.timeout(3000),
      });
      const text = await answer.text();
      return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : {} };
    },
    async query<Row extends QueryResultRow>(sql: string) {
      const { default: pg } = await import('pg');
      const client = new pg.Client({
        host: place.address,
        port: pgPort,
        user: 'postgres',
        password: options.superuserPassword,
        database: 'postgres',
        connectionTimeoutMillis: 5000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query<Row>(sql)).rows;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    async value(sql) {
      const [row] = await node.query(sql);
      return String(Object.values(row ?? {})[0] ?? '');
    },
    processes: () => findProcesses(folder),
    wipe: () => rm(dataDir, { recursive: true, force: true }),
  };

  /** Those that start while this goes on are killed too, when all are meant. */
  async function killProcesses(
    isMeant: (process: { pid: number; command: string }) => boolean,
    repeat = true,
  ): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const found = (await findProcesses(folder)).filter(isMeant);
      if (found.length === 0) {
        if (repeat) return;
        throw new Error(`node ${node.name} has no such process`);
      }
      for (const { pid } of found) killQuietly(pid);
      if (!repeat) return;
      await waitFor(() => found.every(({ pid }) => !isAlive(pid)), { what: 'the end of killed processes' });
    }
  }

  atEnd(() => node.kill());
  return node;
}

/** Not what keeps it running. */
const isDaemon = ({ command }: { command: string }) => / daemon\b/.test(command) && !/keep-/.test(command);

function isPatroni({ command }: { command: string }): boolean {
  return /\bpatroni .*patroni\.yml/.test(command);
}

/** Whatever belongs to a node has its working directory there: it was started there, or is PostgreSQL's. */
async function findProcesses(folder: string): Promise<{ pid: number; command: string }[]> {
  const found = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const cwd = await readlink(`/proc/${entry}/cwd`).catch(() => '');
    if (cwd !== folder && !cwd.startsWith(`${folder}/`)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    // A zombie has none.
    if (command !== '') found.push({ pid: Number(entry), command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}
