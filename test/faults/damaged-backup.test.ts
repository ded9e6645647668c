import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeRestoreTarget } from '../support/restore.ts';
import { makeStore, STORE_KINDS, type TestStore } from '../support/stores.ts';

describe.each(STORE_KINDS)('a damaged backup on %s', (kind) => {
  let store: TestStore;
  let parts: string[];
  let saved: { key: string; body: Buffer }[] = [];

  beforeAll(async () => {
    store = await makeStore(kind);
    const server = await startPostgres({ archive: true, env: store.env });
    await fillPgbench(server, 3);
    await mustRunPgarc(['backup-push', server.dataDir], { env: { ...store.env, ...server.env } });
    await server.stop();
    parts = (await store.keys('basebackups_005/')).filter((key) => /\/part_\d+\.tar\.lz4$/.test(key));
  });

  afterEach(async () => {
    for (const { key, body } of saved) await store.write(key, body);
    saved = [];
  });

  async function take(key: string): Promise<Buffer<ArrayBuffer>> {
    const body = await store.read(key);
    saved.push({ key, body });
    return Buffer.from(body);
  }

  async function largestPart(): Promise<{ key: string; body: Buffer }> {
    let largest: { key: string; body: Buffer } = { key: '', body: Buffer.alloc(0) };
    for (const key of parts) {
      const body = await store.read(key);
      if (body.length > largest.body.length) largest = { key, body };
    }
    return { key: largest.key, body: await take(largest.key) };
  }

  /** The restore fails with 8 and names the object; what it leaves cannot be started. So does verify. */
  async function expectRefused(key: string): Promise<void> {
    const dataDir = await makeRestoreTarget();
    const result = await runPgarc(['backup-fetch', dataDir, 'LATEST'], { env: store.env });
    expect(result.code, result.stderr).toBe(8);
    expect(result.stderr).toContain(key.split('/').at(-1));
    expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(false);
    const verified = await runPgarc(['verify'], { env: store.env });
    expect(verified.code, verified.stderr).toBe(8);
    expect(verified.stderr + verified.stdout).toContain(key.split('/').at(-1));
  }

  test.each([0.001, 0.5, 0.999])('one bit flipped at %d of a part', async (where) => {
    const { key, body } = await largestPart();
    body[Math.floor(body.length * where)]! ^= 4;
    await store.write(key, body);
    await expectRefused(key);
  });

  test('a part that ends early', async () => {
    const { key, body } = await largestPart();
    await store.write(key, body.subarray(0, body.length >> 1));
    await expectRefused(key);
  });

  test('a part that is empty', async () => {
    const { key } = await largestPart();
    await store.write(key, Buffer.alloc(0));
    await expectRefused(key);
  });

  test('a part that is gone', async () => {
    const { key } = await largestPart();
    await store.remove(key);
    await expectRefused(key);
  });

  test('a part cut between two of its frames', async () => {
    const { key, body } = await largestPart();
    const magic = Buffer.from('04224d18', 'hex');
    const second = body.indexOf(magic, 4);
    if (second < 0) return;
    await store.write(key, body.subarray(0, second));
    await expectRefused(key);
  });

  test.each(['files_metadata.json', 'backup_manifest', 'pg_control.tar.lz4', 'backup_label.tar.lz4'])(
    '%s is gone',
    async (name) => {
      const key = (await store.keys('basebackups_005/')).find((candidate) => candidate.endsWith(`/${name}`))!;
      await take(key);
      await store.remove(key);
      await expectRefused(key);
    },
  );

  test('the only sentinel is damaged', async () => {
    const [key] = (await store.keys('basebackups_005/')).filter((candidate) =>
      candidate.endsWith('_sentinel.json'),
    );
    await take(key!);
    await store.write(key!, Buffer.from('{"LSN":'));
    const result = await runPgarc(['backup-fetch', await makeRestoreTarget(), 'LATEST'], { env: store.env });
    expect([result.code, result.stderr]).toEqual([8, expect.stringContaining('no backup can be used')]);
  });

  test('a history file is garbage', async () => {
    const key = 'wal_005/00000002.history';
    await store.write(key, Buffer.from('garbage'));
    try {
      const fetch = async (...options: string[]) =>
        runPgarc(['backup-fetch', await makeRestoreTarget(), 'LATEST', ...options], { env: store.env });
      const undecided = await fetch();
      expect(undecided.code, undecided.stderr).toBe(8);
      expect(undecided.stderr).toContain(key);
      expect(undecided.stderr).toContain('--target-timeline 1');
      const other = await fetch('--target-timeline', '1');
      expect(other.code, other.stderr).toBe(3);
      expect(other.stderr).toContain(key);
      const verified = await runPgarc(['wal-verify', '--json'], { env: store.env });
      expect(verified.code, verified.stderr).toBe(8);
      expect(JSON.parse(verified.stdout)).toMatchObject({
        ok: false,
        windows: [{ timeline: 1 }],
        damagedHistories: [{ timeline: 2, key }],
      });
      const before = await store.keys('');
      const retained = await runPgarc(['retain', '--keep-full', '1', '--confirm'], { env: store.env });
      expect([retained.code, retained.stderr]).toEqual([8, expect.stringContaining(key)]);
      expect(await store.keys('')).toEqual(before);
    } finally {
      await store.remove(key);
    }
  });

  test('and whole again, it is restored', async () => {
    await mustRunPgarc(['backup-fetch', await makeRestoreTarget(), 'LATEST'], { env: store.env });
    await mustRunPgarc(['verify'], { env: store.env });
  });
});
