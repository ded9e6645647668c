import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PGARC } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

let silent: Server;
let env: Record<string, string>;
/** Called when a request has come in, so that the run is known to wait for the store. */
let onRequest = () => {};

beforeAll(async () => {
  silent = createServer((socket) => void socket.on('error', () => {}).once('data', () => onRequest()));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  env = {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    PGARC_STORE: 's3://bucket/p',
    PGARC_SPOOL: await makeTemporaryFolder(),
    AWS_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
});

afterAll(() => silent.close());

async function interrupt(args: readonly string[], signal: NodeJS.Signals) {
  const child = spawn(PGARC, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  onRequest = () => child.kill(signal);
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, stderr, stdout };
}

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends a run with 75', async (signal) => {
  const { code, stderr } = await interrupt(['backup-list'], signal);
  expect([code, stderr]).toEqual([75, `pgarc: interrupted by ${signal}\n`]);
});

it('--json tells of it too', async () => {
  const { code, stdout } = await interrupt(['backup-list', '--json'], 'SIGTERM');
  expect([code, JSON.parse(stdout)]).toEqual([
    75,
    { error: { code: 'interrupted', message: 'interrupted by SIGTERM' } },
  ]);
});

it('an interrupted wal-fetch is not a missing file', async () => {
  const destination = join(await makeTemporaryFolder(), 'RECOVERYXLOG');
  const { code } = await interrupt(['wal-fetch', '000000010000000000000001', destination], 'SIGTERM');
  expect(code).toBe(255);
});
