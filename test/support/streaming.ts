import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { PGARC, ROOT } from './pgarc.ts';
import { freePort } from './ports.ts';
import { findBinaries } from './postgres-binaries.ts';
import { mustRun, type Running, type RunResult, runProgram, startProgram } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { giveAway } from './unprivileged.ts';
import { waitFor } from './wait.ts';

const IMAGE = `${ROOT}/images/streaming`;
const BIN = findBinaries(15);

/** A server run by the streaming image's entry point, outside of a container. */
export interface StreamingNode {
  readonly port: number;
  readonly dataDir: string;
  /** Its whole environment. */
  readonly env: Record<string, string>;
  readonly running: Running;
  /** First column of the first row, asked over the socket. */
  value(sql: string): Promise<string>;
  /** Runs a program of the image, as `docker exec` would. */
  run(program: 'promote' | 'healthcheck'): Promise<RunResult>;
  /** Waits until the health check says so. */
  isUp(role: 'primary' | 'standby'): Promise<void>;
  /** SIGTERM to the entry point. @returns how it ended */
  stop(): Promise<RunResult>;
  /** Runs the entry point again on the same folders, with more or other variables. */
  start(env?: Record<string, string>): void;
}

/** Starts the entry point in folders of its own; stopped when the test file ends. */
export async function startStreamingNode(
  env: Record<string, string>,
  options: { dataDir?: string } = {},
): Promise<StreamingNode> {
  const folder = await makeTemporaryFolder('node');
  const dataDir = options.dataDir ?? join(folder, 'data');
  await mkdir(dataDir, { recursive: true });
  giveAway(dataDir);
  const port = await freePort();
  const whole = {
    PATH: `${BIN}:${process.env.PATH}`,
    PGDATA: dataDir,
    PGREPL_RUN: join(folder, 'run'),
    PGREPL_PORT: String(port),
    PGREPL_LISTEN: '127.0.0.1',
    PGREPL_PGARC: PGARC,
    PGARC_SPOOL: join(folder, 'spool'),
    PGARC_HTTP_LISTEN: 'off',
    ...env,
  };
  const client = {
    PATH: whole.PATH,
    PGHOST: whole.PGREPL_RUN,
    PGPORT: whole.PGREPL_PORT,
    PGUSER: 'postgres',
  };
  let running!: Running;

  const node: StreamingNode = {
    port,
    dataDir,
    env: whole,
    get running() {
      return running;
    },
    async value(sql) {
      return (await mustRun('psql', ['-d', 'postgres', '-XAtqc', sql], { env: client })).trim();
    },
    run: (program) => runProgram(join(IMAGE, program), [], { env: whole }),
    async isUp(role) {
      await waitFor(
        async () => running.child.exitCode !== null || (await node.run('healthcheck')).stdout.trim() === role,
        { what: `a healthy ${role}`, timeout: 120_000, interval: 200 },
      );
      if (running.child.exitCode !== null) throw new Error(`the entry point ended:\n${running.stderr()}`);
    },
    async stop() {
      running.child.kill('SIGTERM');
      return running.result;
    },
    start(more = {}) {
      running = startProgram(join(IMAGE, 'entrypoint'), [], {
        env: { ...whole, ...more },
        timeout: 600_000,
      });
    },
  };
  node.start();
  atEnd(async () => {
    if (running.child.exitCode === null && running.child.signalCode === null) await node.stop();
  });
  return node;
}
