import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { PGARC } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** What happens to a recovering server when its archive fails: it may wait or stop, but never promote. */

const RESTORE_SETTINGS = { restore_command: `${PGARC} wal-fetch %f %p`, recovery_target_timeline: 'latest' };

let minio: TestMinio;
let env: Record<string, string>;
/** A base backup, and names of the segments archived since. */
let backup: string;
let segments: string[];
const ROWS = '40000';

beforeAll(async () => {
  minio = await startMinio();
  env = { ...minio.env('cluster'), PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const primary = await startPostgres({ archive: true, env });
  await primary.query('CREATE TABLE rows (id int, text text)');
  backup = join(await makeTemporaryFolder('backup'), 'data');
  await primary.tool('pg_basebackup', ['-D', backup, '-X', 'none', '-c', 'fast']);
  for (let part = 0; part < 4; part++) {
    await primary.query(
      'INSERT INTO rows SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 10000) i',
    );
    await primary.archiveAll();
  }
  await primary.stop();
  const keys = await minio.keys('cluster/wal_005/');
  segments = keys.filter((key) => /\/[0-9A-F]{24}\.lz4$/.test(key));
});

beforeEach(async () => {
  await minio.kill();
  await minio.start();
});

async function prepare(signal: 'recovery' | 'standby', fetchTimeout: string): Promise<TestPostgres> {
  const dataDir = join(await makeTemporaryFolder('pg'), 'data');
  await cp(backup, dataDir, { recursive: true, preserveTimestamps: true });
  const { execFileSync } = await import('node:child_process');
  execFileSync('chown', ['-R', '--reference', backup, dataDir]);
  await writeFile(join(dataDir, `${signal}.signal`), '');
  const settings = { ...RESTORE_SETTINGS, log_min_messages: 'debug2', wal_retrieve_retry_interval: '200ms' };
  const more = { PGARC_FETCH_TIMEOUT: fetchTimeout };
  return startPostgres({ dataDir, env: { ...env, ...more }, settings, start: false });
}

async function waitForLog(server: TestPostgres, text: string | RegExp): Promise<void> {
  await waitFor(async () => (await server.log()).search(text) >= 0, {
    timeout: 120_000,
    what: `log: ${text}`,
  });
}

async function expectRecovered(server: TestPostgres): Promise<void> {
  await waitFor(async () => (await server.value('SELECT count(*) FROM rows')) === ROWS, {
    timeout: 120_000,
    what: 'all rows',
  });
}

async function expectNotPromoted(server: TestPostgres): Promise<void> {
  expect(await server.log()).not.toMatch(/archive recovery complete|selected new timeline/);
  expect(await readdir(join(server.dataDir, 'pg_wal'))).not.toContain('00000002.history');
}

describe('archive recovery', () => {
  it('stops when the store stays away, and recovers everything once it is back', async () => {
    const server = await prepare('recovery', '8s');
    await minio.kill();
    await server.start({ wait: false });
    expect(await server.exited()).not.toBe(0);
    await expectNotPromoted(server);
    expect(await server.log()).toMatch(/store.*(ECONNREFUSED|refused)/i);
    await minio.start();
    await server.start();
    await expectRecovered(server);
    await waitForLog(server, 'archive recovery complete');
  });

  it('waits for a store that comes back in time, also when it goes in the middle', async () => {
    const server = await prepare('recovery', '2min');
    const hold = segments[2]!;
    const held = await minio.read(hold);
    // Damaged at first, so that recovery stops at a place the test knows.
    await minio.write(hold, held.subarray(0, held.length - 100));
    await server.start({ wait: false });
    expect(await server.exited()).not.toBe(0);
    await expectNotPromoted(server);
    expect(await server.log()).toMatch(/is damaged/);
    await minio.write(hold, held);
    await minio.kill();
    await server.start({ wait: false });
    await waitForLog(server, /storeRetry|trying again|asks again/i);
    await minio.start();
    await expectRecovered(server);
    await waitForLog(server, 'archive recovery complete');
  });

  it.each(['truncated', 'empty', 'swapped', 'flipped'])('stops at a %s object', async (damage) => {
    const server = await prepare('recovery', '1min');
    const [, , key = '', next = ''] = segments;
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
    await server.start({ wait: false });
    expect(await server.exited()).not.toBe(0);
    await expectNotPromoted(server);
    expect(await server.log()).toContain(key.replace('cluster/', ''));
    await minio.write(key, good);
    await server.start();
    await expectRecovered(server);
  });

  it('shuts down at once while wal-fetch waits for the store, without promotion', async () => {
    const server = await prepare('recovery', '10min');
    await minio.kill();
    await server.start({ wait: false });
    await waitForLog(server, /storeRetry|trying again|asks again/i);
    const begin = performance.now();
    await server.stop('fast');
    // Not at the end of its patience, ten minutes.
    expect(performance.now() - begin).toBeLessThan(30_000);
    await expectNotPromoted(server);
    const left = (await readdir(join(server.dataDir, 'pg_wal'))).filter((name) => name.includes('pgarc'));
    expect(left).toEqual([]);
    await minio.start();
    await server.start();
    await expectRecovered(server);
  });

  it('stops when the settings are wrong', async () => {
    const server = await prepare('recovery', 'not-a-duration');
    await server.start({ wait: false });
    expect(await server.exited()).not.toBe(0);
    await expectNotPromoted(server);
    expect(await server.log()).toMatch(/fetch-timeout/);
  });
});

describe('a standby', () => {
  it('outlives an outage of the store and goes on afterwards', async () => {
    const server = await prepare('standby', '1s');
    const last = segments.at(-1)!;
    const held = await minio.read(last);
    await minio.write(last, held.subarray(0, 1000));
    await server.start();
    await waitForLog(server, /is damaged/);
    await minio.kill();
    await waitForLog(server, /refused/i);
    expect(server.isRunning()).toBe(true);
    await minio.start();
    await minio.write(last, held);
    await expectRecovered(server);
    expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
    await expectNotPromoted(server);
  });
});
