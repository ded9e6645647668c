import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { uploadFiles } from '../../../../src/backup/push/upload.ts';
import type { WalkedEntry } from '../../../../src/backup/push/walk.ts';
import { openEncoder } from '../../../../src/codec/codecs.ts';
import type { PutStreamOptions } from '../../../../src/store/store.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { MemoryStore } from '../memory-store.ts';

it.each(['lz4', 'zstd'] as const)('says of each tar as %s how large it gets at most', async (method) => {
  const pgdata = await makeTemporaryFolder('data');
  const name = '/16384';
  await writeFile(join(pgdata, name), randomBytes(70_000_000));
  const file: WalkedEntry = {
    name,
    size: 70_000_000,
    mode: 0o600,
    uid: 1,
    gid: 2,
    modifiedNs: 0n,
    crc32c: 0,
  };
  const expected = new Map<string, number>();
  class Store extends MemoryStore {
    override putStream(key: string, body: AsyncIterable<Uint8Array>, options: PutStreamOptions = {}) {
      expected.set(key, options.expected ?? 0);
      return super.putStream(key, body);
    }
  }
  const store = new Store();
  const deps = { store, encoder: await openEncoder(method), pages: undefined, emit: () => undefined };
  const control = { ...file, name: '/global/pg_control' };
  const walk = { directories: [], files: [file], control, tablespaces: [], leftOut: [], catalogSize: 0 };
  const options = { backup: 'base_1', pgdata, concurrency: 1 };
  const { tars } = await uploadFiles(deps, walk, options, new AbortController().signal);
  expect(tars).toHaveLength(1);
  for (const [key, bytes] of expected) {
    const size = store.objects.get(key)?.length ?? 0;
    expect(size).toBeGreaterThanOrEqual(70_000_000);
    expect(bytes).toBeGreaterThanOrEqual(size);
    expect(bytes).toBeLessThan(size * 1.1);
  }
  expect(expected.size).toBe(1);
});
