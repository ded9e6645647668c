import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import type { TestPostgres } from '../support/postgres.ts';
import {
  expectNotPromoted,
  makeRecoveryArchive,
  type RecoveryArchive,
  waitForLog,
} from '../support/recovery.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { mountTmpfs } from '../support/tmpfs.ts';
import { waitFor } from '../support/wait.ts';

/** Recovery with a daemon while the archive, the daemon or the spool fails: it may wait or stop, never promote. */

let minio: TestMinio;
let proxy: FaultProxy;
let archive: RecoveryArchive;
let segments: string[];
let env: Record<string, string>;
let server: TestPostgres;
let daemon: TestDaemon;

beforeAll(async () => {
  minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
  archive = await makeRecoveryArchive(minio, 'cluster', 6);
  segments = await archive.segments();
});

beforeEach(async () => {
  proxy.reset();
  env = {
    ...minio.env('cluster', proxy.endpoint),
    PGARC_SPOOL: await makeOwnedDirectory(join(await makeTemporaryFolder('spool'), 'spool')),
    PGARC_LOG_LEVEL: 'debug',
  };
});

afterEach(async () => {
  await server.stop('immediate');
  await daemon.kill();
});

async function begin(signal: 'recovery' | 'standby', more: Record<string, string> = {}): Promise<void> {
  Object.assign(env, more);
  server = await archive.prepare(signal, env);
  env.PGDATA = server.dataDir;
  daemon = await startDaemon(env);
}

async function expectRecovery(): Promise<void> {
  await archive.recovered(server);
  await waitForLog(server, 'archive recovery complete');
}

const inSpool = () => readdir(join(env.PGARC_SPOOL!, 'in'));

describe.each([1, 4])('a damaged object, number %d of those that are fetched', (place) => {
  it.each(['truncated', 'empty', 'swapped', 'flipped'])('stops recovery when it is %s', async (damage) => {
    const [key, next] = [segments[place]!, segments[place + 1] ?? segments[0]!];
    const good = await minio.read(key);
    const flipped = Buffer.from(good);
    flipped.writeUInt8(flipped.readUInt8(good.length >> 1) ^ 4, good.length >> 1);
    const bad: Record<string, Buffer> = {
      truncated: good.subarray(0, good.length >> 1),
      empty: Buffer.alloc(0),
      swapped: await minio.read(next),
      flipped,
    };
    await minio.write(key, bad[damage]!);
    try {
      await begin('recovery');
      await server.start({ wait: false });
      expect(await server.exited()).not.toBe(0);
      await expectNotPromoted(server);
      expect(await server.log()).toMatch(new RegExp(`${key.split('/').at(-1)} is damaged`));
      expect(await inSpool()).not.toContain(key.slice(-28, -4));
    } finally {
      await minio.write(key, good);
    }
    await server.start();
    await expectRecovery();
  });
});

describe('the store', () => {
  it('goes away in the middle and comes back in time', async () => {
    await begin('recovery');
    // Down from the third segment on.
    const away = proxy.add({
      path: new RegExp(segments[3]!.slice(-28)),
      fault: { kind: 'respond', status: 503 },
    });
    await server.start({ wait: false });
    await waitFor(() => proxy.requests.filter(({ status }) => status === 503).length > 3, {
      what: 'failures',
    });
    await expectNotPromoted(server);
    away();
    await expectRecovery();
  });

  it('stays away: recovery stops, and goes on later', async () => {
    await begin('recovery', { PGARC_FETCH_TIMEOUT: '8s' });
    const away = proxy.add({
      path: new RegExp(segments[3]!.slice(-28)),
      fault: { kind: 'reset-request' },
    });
    await server.start({ wait: false });
    expect(await server.exited()).not.toBe(0);
    await expectNotPromoted(server);
    away();
    await server.start();
    await expectRecovery();
  });

  it('hangs: the server shuts down at once, without promotion', async () => {
    await begin('recovery', { PGARC_REQUEST_TIMEOUT: '5s' });
    const away = proxy.add({
      path: new RegExp(segments[3]!.slice(-28)),
      fault: { kind: 'stall', afterBytes: 5000 },
    });
    await server.start({ wait: false });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'stall'), { what: 'the stall' });
    await waitForLog(server, /restored log file "[0-9A-F]+" from archive/);
    const begun = performance.now();
    await server.stop('fast');
    // Not at the end of its patience, ten minutes.
    expect(performance.now() - begun).toBeLessThan(30_000);
    await expectNotPromoted(server);
    away();
    await server.start();
    await expectRecovery();
  });
});

describe('the daemon', () => {
  it('is killed while it fetches: nothing of that is used', async () => {
    await begin('recovery');
    const stalled = segments[3]!.slice(-28);
    const away = proxy.add({
      path: new RegExp(stalled),
      times: 1,
      fault: { kind: 'stall', afterBytes: 50_000 },
    });
    await server.start({ wait: false });
    await waitFor(async () => (await inSpool()).some((name) => name.includes('.new')), { what: 'a part' });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'stall'), { what: 'the stall' });
    await daemon.kill();
    expect(existsSync(join(env.PGARC_SPOOL!, 'daemon'))).toBe(true);
    away();
    await expectRecovery();
    daemon = await startDaemon(env);
    expect(await inSpool()).toEqual([]);
  });

  it('is killed and started again all the time', async () => {
    await begin('recovery');
    let isOver = false;
    const chaos = (async () => {
      for (let i = 0; !isOver; i++) {
        const seen = proxy.requests.length;
        await waitFor(() => isOver || proxy.requests.length > seen + (i % 4), {
          timeout: 120_000,
          interval: 5,
        });
        await daemon.kill();
        if (!isOver) daemon = await startDaemon(env);
      }
      return daemon;
    })();
    await server.start({ wait: false });
    try {
      await expectRecovery();
    } finally {
      isOver = true;
      await chaos;
    }
    expect(await server.value('SELECT count(*) FROM rows WHERE text = repeat(md5(id::text), 8)')).toBe(
      await server.value('SELECT count(*) FROM rows'),
    );
  });

  it('stops in good order while PostgreSQL waits for it', async () => {
    await begin('recovery');
    const isOver = Promise.withResolvers<void>();
    const hold = { kind: 'hold', until: isOver.promise } as const;
    const release = proxy.add({ path: new RegExp(segments[2]!.slice(-28)), fault: hold });
    await server.start({ wait: false });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'hold'), { what: 'the held request' });
    const stopping = daemon.stop();
    // It answers nobody any more.
    await waitFor(() => !existsSync(join(env.PGARC_SPOOL!, 'daemon')), { what: 'the stop' });
    release();
    isOver.resolve();
    expect(await stopping).toMatchObject({ code: 0 });
    await expectRecovery();
    expect(await inSpool()).toEqual([]);
  });
});

describe('the spool', () => {
  it('has no room: wal-fetch does the work itself', async (context) => {
    const folder = await mountTmpfs(10);
    if (folder === undefined) return context.skip();
    await begin('recovery', { PGARC_SPOOL: await makeOwnedDirectory(join(folder, 'spool')) });
    await server.start();
    await expectRecovery();
    expect(daemon.stderr()).toMatch(/no-space/);
  });
});

it('a standby outlives an outage of the store', async () => {
  await begin('standby', { PGARC_FETCH_TIMEOUT: '1s' });
  const away = proxy.add({
    path: new RegExp(segments[3]!.slice(-28)),
    fault: { kind: 'respond', status: 500 },
  });
  await server.start({ wait: false });
  await waitFor(() => proxy.requests.filter(({ status }) => status === 500).length > 5, { what: 'failures' });
  expect(server.isRunning()).toBe(true);
  away();
  await archive.recovered(server);
  expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
  await expectNotPromoted(server);
  expect(await readFile(join(server.dataDir, 'PG_VERSION'), 'utf8')).toBe('15\n');
});
