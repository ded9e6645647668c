import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { type Running, type RunOptions, type RunResult, startPgarc } from './pgarc.ts';
import { waitFor } from './wait.ts';

/** In no test's pg_wal. */
const ABSENT = 'pg_wal/0000000FFFFFFFFF000000FF';

export interface TestDaemon {
  readonly pid: number;
  readonly running: Running;
  stderr(): string;
  /** Waits until a marker for this WAL file is there. */
  marked(name: string): Promise<void>;
  isMarked(name: string): boolean;
  /** Asks for a WAL file that is not there, as an archive_command would: from then on it stores ahead. */
  ask(): Promise<void>;
  /** SIGTERM. @returns how it ended */
  stop(): Promise<RunResult>;
  kill(): Promise<RunResult>;
}

/**
 * Starts `pgarc daemon`; killed when the test file ends. Unless told otherwise, waits until it serves and asks it
 * something, so that it stores ahead.
 */
export async function startDaemon(
  env: Record<string, string | undefined>,
  options: Omit<RunOptions, 'env'> & { args?: readonly string[]; wait?: boolean; ask?: boolean } = {},
): Promise<TestDaemon> {
  const { args = [], wait = true, ask = wait, ...rest } = options;
  const running = startPgarc(['daemon', ...args], {
    timeout: 600_000,
    ...rest,
    // Several daemons run at a time.
    env: { PGARC_HTTP_LISTEN: 'off', ...env },
  });
  const marker = (name: string) => join(env.PGARC_SPOOL ?? '', 'out', `${name}.ok`);
  const end = async (signal: NodeJS.Signals) => {
    running.child.kill(signal);
    return running.result;
  };
  atEnd(async () => {
    await end('SIGKILL');
  });
  if (wait) {
    const hasEnded = () => running.child.exitCode !== null || running.child.signalCode !== null;
    await waitFor(() => running.stderr().includes('daemonReady') || hasEnded(), {
      what: 'the daemon to be ready',
    });
    if (hasEnded()) throw new Error(`the daemon ended at start:\n${running.stderr()}`);
  }
  const askFor = () => post(join(env.PGARC_SPOOL ?? '', 'daemon.sock'), join(env.PGDATA ?? '', ABSENT));
  if (ask) await askFor();
  return {
    pid: running.child.pid!,
    ask: askFor,
    running,
    stderr: running.stderr,
    isMarked: (name) => existsSync(marker(name)),
    async marked(name) {
      await waitFor(() => existsSync(marker(name)), {
        what: `a marker for ${name}; the daemon says:\n${running.stderr()}`,
      });
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** Asks the daemon to archive a file, whatever it says. */
async function post(socketPath: string, body: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asking = request({ socketPath, path: '/wal-push', method: 'POST' }, (response) => {
      response.resume().on('end', resolve).on('error', reject);
    });
    asking.on('error', reject).end(body);
  });
}

/** Clients connected to the socket of the daemon of a spool. */
export async function countConnections(spool: string): Promise<number> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n');
  // St 03 is connected; the listening socket has 01 and the flag 00010000.
  return lines.filter((line) => line.endsWith(`${spool}/daemon.sock`) && / 03 /.test(line)).length;
}
