import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { PGARC, type Running, runPgarc, startPgarc } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { makeSegment } from '../support/wal-segment.ts';

/** wal-push and wal-fetch while the store, the network or the process fails. */

let minio: TestMinio;
let proxy: FaultProxy;
let data: string;
let env: Record<string, string>;
let count = 0;
const first = makeSegment({ number: 1 });
const { name, bytes } = makeSegment({ number: 2, size: 2 ** 20 });
const AS_IS = { asPostgres: false } as const;
/** For what is to fail. What is to succeed may take its time on a loaded machine. */
const IMPATIENT = { PGARC_STORE_TIMEOUT: '2s', PGARC_FETCH_TIMEOUT: '2s', PGARC_REQUEST_TIMEOUT: '1s' };

beforeAll(async () => {
  minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
});

/** An archive with one segment in it, so that what follows is the usual case of one request. */
beforeEach(async () => {
  proxy.reset();
  data = await makeOwnedDirectory(join(await makeTemporaryFolder(), 'data'));
  await mkdir(join(data, 'pg_wal'));
  count += 1;
  env = {
    ...minio.env(`faults-${count}`, proxy.endpoint),
    PGARC_SPOOL: join(data, 'spool'),
    PGARC_STORE_TIMEOUT: '1min',
    PGARC_FETCH_TIMEOUT: '1min',
    PGARC_REQUEST_TIMEOUT: '20s',
  };
  await writeFile(join(data, 'pg_wal', first.name), first.bytes);
  expect(await push(first.name)).toMatchObject({ code: 0 });
  await writeFile(join(data, 'pg_wal', name), bytes);
});

function push(file = name, more = {}) {
  return runPgarc(['wal-push', `pg_wal/${file}`], { cwd: data, env: { ...env, ...more }, ...AS_IS });
}

function fetch(file = first.name, more = {}) {
  const args = ['wal-fetch', file, 'pg_wal/RECOVERYXLOG'];
  return runPgarc(args, { cwd: data, env: { ...env, ...more }, ...AS_IS });
}

function start(...args: string[]): Running {
  return startPgarc(args, { cwd: data, env, ...AS_IS });
}

async function restored(): Promise<Buffer | undefined> {
  const names = await readdir(join(data, 'pg_wal'));
  expect(names.filter((file) => file.includes('pgarc'))).toEqual([]);
  return names.includes('RECOVERYXLOG') ? readFile(join(data, 'pg_wal/RECOVERYXLOG')) : undefined;
}

function xml(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>says the store</Message></Error>`;
}

describe.each<[string, Fault]>([
  ['500', { kind: 'respond', status: 500, body: xml('InternalError') }],
  ['503 without a body', { kind: 'respond', status: 503 }],
  ['403', { kind: 'respond', status: 403, body: xml('AccessDenied') }],
  ['404 for the bucket', { kind: 'respond', status: 404, body: xml('NoSuchBucket') }],
  ['404 and HTML', { kind: 'respond', status: 404, body: '<html>not here</html>', contentType: 'text/html' }],
  ['200 and HTML', { kind: 'respond', status: 200, body: '<html>welcome</html>', contentType: 'text/html' }],
  ['nothing', { kind: 'stall' }],
  ['a reset', { kind: 'reset-request' }],
])('a store that answers %s', (_, fault) => {
  it('is exit 7 to wal-push, with its name and words, and never "missing" to wal-fetch', async () => {
    proxy.add({ fault });
    const pushed = await push(name, IMPATIENT);
    expect(pushed.code).toBe(7);
    expect(pushed.stderr).toContain(proxy.endpoint);
    expect(pushed.stderr).toContain(minio.bucket);
    expect(pushed.stderr).not.toContain(minio.secretKey);
    if (fault.kind === 'respond' && fault.body?.includes('<Code>')) {
      expect(pushed.stderr).toContain('says the store');
    }
    for (const file of [first.name, '00000002.history']) {
      expect(await fetch(file, IMPATIENT)).toMatchObject({ code: 255 });
    }
    await writeFile(join(data, 'standby.signal'), '');
    expect(await fetch(first.name, IMPATIENT)).toMatchObject({ code: 75 });
    expect(await restored()).toBeUndefined();
    proxy.reset();
    expect(await fetch()).toMatchObject({ code: 0 });
    expect(await push()).toMatchObject({ code: 0 });
  });
});

describe('wal-push', () => {
  it.each<[string, Fault]>([
    ['a lost answer', { kind: 'lose-answer' }],
    ['a reset request', { kind: 'reset-request', afterBytes: 5000 }],
    ['a bit turned over on the way', { kind: 'flip-request', offset: 7000 }],
    ['one 503', { kind: 'respond', status: 503, body: xml('SlowDown') }],
  ])('survives %s', async (_, fault) => {
    proxy.add({ method: 'PUT', times: 1, fault });
    expect(await push()).toMatchObject({ code: 0 });
    proxy.reset();
    expect(await fetch(name)).toMatchObject({ code: 0 });
    expect((await restored())?.equals(bytes)).toBe(true);
  });

  it('stays below 126 when it is interrupted or killed, and the next attempt succeeds', async () => {
    proxy.add({ method: 'PUT', fault: { kind: 'stall' } });
    env = { ...env, PGARC_REQUEST_TIMEOUT: '10min', PGARC_STORE_TIMEOUT: '10min' };
    for (const [signal, code] of [
      ['SIGTERM', 75],
      ['SIGINT', 75],
    ] as const) {
      proxy.requests.length = 0;
      const running = start('wal-push', `pg_wal/${name}`);
      await waitFor(() => proxy.requests.length > 0, { what: 'the request' });
      running.child.kill(signal);
      expect(await running.result).toMatchObject({ code, signal: null });
    }
    proxy.requests.length = 0;
    const running = start('wal-push', `pg_wal/${name}`);
    await waitFor(() => proxy.requests.length > 0, { what: 'the request' });
    process.kill(await childOf(running.child.pid!), 'SIGKILL');
    expect(await running.result).toMatchObject({ code: 1, signal: null });
    proxy.reset();
    expect(await push()).toMatchObject({ code: 0 });
  });
});

describe('wal-fetch', () => {
  it.each<[string, Fault]>([
    ['a broken connection', { kind: 'reset-answer', afterBytes: 4000 }],
    ['an answer that ends early', { kind: 'truncate', afterBytes: 4000 }],
    ['a bit turned over on the way', { kind: 'flip-answer', offset: 4000 }],
    ['an answer that agrees to be short', { kind: 'shorten', afterBytes: 4000 }],
    ['an answer that stops', { kind: 'stall', afterBytes: 4000 }],
  ])('survives %s', async (_, fault) => {
    proxy.add({ method: 'GET', times: 1, fault });
    env = { ...env, PGARC_REQUEST_TIMEOUT: '1s' };
    expect(await fetch()).toMatchObject({ code: 0 });
    expect((await restored())?.equals(first.bytes)).toBe(true);
  });

  it('waits no longer on a standby for an answer that stops than for one that never comes', async () => {
    proxy.add({ method: 'GET', fault: { kind: 'stall', afterBytes: 4000 } });
    await writeFile(join(data, 'standby.signal'), '');
    // Nothing but the patience of a standby can end this one in time: 3 s.
    const usual = { PGARC_FETCH_TIMEOUT: '', PGARC_REQUEST_TIMEOUT: '10min' };
    expect(await fetch(first.name, usual)).toMatchObject({
      code: 75,
      stderr: expect.stringContaining('nothing moved for 3.0 s while the object was read'),
    });
    expect(await restored()).toBeUndefined();
  });

  it('never hands over damage that stays', async () => {
    for (const fault of [
      { kind: 'flip-answer', offset: 4000 },
      { kind: 'shorten', afterBytes: 4000 },
      { kind: 'truncate', afterBytes: 0 },
    ] as const) {
      proxy.reset();
      proxy.add({ method: 'GET', fault });
      expect(await fetch(first.name, IMPATIENT)).toMatchObject({ code: 255 });
      expect(await restored()).toBeUndefined();
    }
  });

  it('removes its file and says 255 when the disk takes no more', async () => {
    // A limit of 100 KiB a file stands for the full disk.
    const script = `ulimit -f 200 && exec "$0" wal-fetch ${first.name} pg_wal/RECOVERYXLOG`;
    const result = await runProgram('sh', ['-c', script, PGARC], { cwd: data, env, ...AS_IS });
    expect(result).toMatchObject({ code: 255, stderr: expect.stringContaining('cannot write') });
    expect(await restored()).toBeUndefined();
  });

  it('leaves nothing when it is stopped, and is no "missing"', async () => {
    proxy.add({ method: 'GET', fault: { kind: 'stall', afterBytes: 4000 } });
    env = { ...env, PGARC_REQUEST_TIMEOUT: '10min', PGARC_FETCH_TIMEOUT: '10min' };
    const running = start('wal-fetch', first.name, 'pg_wal/RECOVERYXLOG');
    await waitFor(async () => (await readdir(join(data, 'pg_wal'))).some((file) => file.includes('pgarc')), {
      what: 'the temporary file',
    });
    running.child.kill('SIGTERM');
    expect(await running.result).toMatchObject({ code: 255, signal: null });
    expect(await restored()).toBeUndefined();
  });
});

/** The Node below the launcher. */
function childOf(pid: number): Promise<number> {
  return waitFor(
    async () => {
      const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      return Number.parseInt(text, 10) || undefined;
    },
    { what: 'the process below the launcher' },
  );
}
