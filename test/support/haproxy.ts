import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { freePort } from './ports.ts';
import { type Running, startProgram } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { giveAway } from './unprivileged.ts';
import { waitFor } from './wait.ts';

export interface HaproxyServer {
  name: string;
  address: string;
  pgPort: number;
  apiPort: number;
}

export interface TestHaproxy {
  /** Of 127.0.0.1; leads to the node that Patroni says is the primary. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts HAProxy before the nodes of a cluster: connections go to the primary and end when it is none any more. */
export async function startHaproxy(servers: readonly HaproxyServer[]): Promise<TestHaproxy> {
  const folder = await makeTemporaryFolder('haproxy');
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, describe(port, servers));
  giveAway(file);
  const running: Running = startProgram('haproxy', ['-db', '-f', file], { timeout: 3_600_000 });
  const stop = async () => {
    running.child.kill('SIGTERM');
    await running.result;
  };
  atEnd(stop);
  await waitFor(() => isListening(port) || running.child.exitCode !== null, { what: 'HAProxy to listen' });
  if (running.child.exitCode !== null) throw new Error(`HAProxy ended at start:\n${running.stderr()}`);
  return { port, stop };
}

function describe(port: number, servers: readonly HaproxyServer[]): string {
  const lines = servers.map(
    ({ name, address, pgPort, apiPort }) =>
      `    server ${name} ${address}:${pgPort} check port ${apiPort} maxconn 100`,
  );
  return `defaults
    mode tcp
    timeout connect 3s
    timeout client 10m
    timeout server 10m
    timeout check 2s
listen primary
    bind 127.0.0.1:${port}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
${lines.join('\n')}
`;
}

async function isListening(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
