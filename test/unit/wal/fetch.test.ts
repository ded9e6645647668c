import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import type { ObjectStore } from '../../../src/store/store.ts';
import { IDENTITY_KEY } from '../../../src/wal/identity.ts';
import { writeNote } from '../../../src/wal/note.ts';
import { makeSegment } from '../../support/wal-segment.ts';
import { type FolderArchive, makeFolderArchive } from './folder-archive.ts';

const HISTORY = '1\t0/300000\tno recovery target specified\n';

let archive: FolderArchive;
beforeEach(async () => {
  archive = await makeFolderArchive();
});

function restored(): Promise<string[]> {
  return readdir(join(archive.data, 'pg_wal'));
}

function without<K extends keyof ObjectStore>(method: K, replacement: ObjectStore[K]): ObjectStore {
  return new Proxy(archive.store, {
    get: (target, property) => (property === method ? replacement : Reflect.get(target, property)),
  });
}

describe('fetchWal', () => {
  it('restores a segment with one request', async () => {
    const { name, bytes } = makeSegment({ size: 2 ** 24, number: 3 });
    await archive.plant(name, bytes);
    expect(await archive.fetch(name)).toEqual({ name, bytes: 2 ** 24 });
    expect(archive.calls).toEqual([`getStream wal_005/${name}.lz4`]);
    expect((await readFile(join(archive.data, 'pg_wal/RECOVERYXLOG'))).equals(bytes)).toBe(true);
    expect(await restored()).toEqual(['RECOVERYXLOG']);
  });

  it('finds what is stored with another compression, and uncompressed', async () => {
    const a = makeSegment({ number: 3 });
    const b = makeSegment({ number: 4 });
    await archive.plant(a.name, a.bytes, 'zstd');
    await archive.store.put(`wal_005/${b.name}`, b.bytes);
    for (const { name, bytes } of [a, b]) {
      await archive.fetch(name, { destination: name });
      expect((await readFile(join(archive.data, name))).equals(bytes)).toBe(true);
    }
  });

  it('says missing after two requests, and does not take relatives for it', async () => {
    const { name, bytes } = makeSegment();
    await archive.plant(`${name}.partial`, bytes);
    await archive.store.put(`wal_005/${name}.partial`, bytes);
    await archive.store.put(`wal_005/${name}.00000028.backup.lz4`, bytes);
    archive.calls.length = 0;
    await expect(archive.fetch(name)).rejects.toMatchObject({ code: 'wal-not-found', exitCode: 74 });
    expect(archive.calls).toEqual([`getStream wal_005/${name}.lz4`, `list wal_005/${name}`]);
    expect(await restored()).toEqual([]);
  });

  it('does not call a segment missing when the archive it knows is empty all of a sudden', async () => {
    const { name } = makeSegment();
    await writeNote(archive.spool, archive.store.name, { systemIdentifier: 7n }, () => undefined);
    await expect(archive.fetch(name)).rejects.toMatchObject({ code: 'store-unreachable' });
    const other = makeSegment({ number: 9 });
    await archive.plant(other.name, other.bytes);
    await expect(archive.fetch(name)).rejects.toMatchObject({ code: 'store-unreachable' });
    await archive.store.put(IDENTITY_KEY, Buffer.from('{"system_identifier":"7"}'));
    const asked: unknown[] = [];
    const list: ObjectStore['list'] = (prefix, options) => {
      asked.push([prefix, options?.limit]);
      return archive.store.list(prefix, options);
    };
    await expect(archive.fetch(name, { store: without('list', list) })).rejects.toMatchObject({
      code: 'wal-not-found',
    });
    expect(asked).toEqual([
      [`wal_005/${name}`, undefined],
      ['wal_005/', 1],
    ]);
  });

  it('restores what arrives between the two requests', async () => {
    const { name, bytes } = makeSegment();
    let looked = false;
    const getStream: ObjectStore['getStream'] = async (key, options) => {
      const found = await archive.store.getStream(key, options);
      if (!looked) await archive.plant(name, bytes);
      looked = true;
      return found;
    };
    await archive.fetch(name, { store: without('getStream', getStream) });
    expect(await restored()).toEqual(['RECOVERYXLOG']);
  });

  it('does not take a form it cannot read for missing', async () => {
    const { name, bytes } = makeSegment();
    await archive.store.put(`wal_005/${name}.lzma`, bytes);
    await expect(archive.fetch(name)).rejects.toMatchObject({ code: 'object-damaged' });
  });

  it('does not take a store that is away for missing', async () => {
    await rm(archive.store.location.replace('file://', ''), { recursive: true });
    await expect(archive.fetch('000000010000000000000003')).rejects.toMatchObject({
      code: 'store-unreachable',
    });
  });

  it('asks a store that is away again until it is back', async () => {
    const { name, bytes } = makeSegment();
    await archive.plant(name, bytes);
    let attempts = 0;
    const getStream: ObjectStore['getStream'] = async (key, options) => {
      attempts += 1;
      if (attempts < 4) throw new PgarcError('store-unreachable', 'connection refused');
      return archive.store.getStream(key, options);
    };
    await archive.fetch(name, { store: without('getStream', getStream), fetchTimeout: 60_000 });
    expect(archive.events.filter(({ type }) => type === 'storeRetry')).toHaveLength(3);
  });

  it('removes what a killed process left beside the destination, and nothing else', async () => {
    const { name, bytes } = makeSegment();
    await archive.plant(name, bytes);
    const folder = join(archive.data, 'pg_wal');
    for (const left of ['RECOVERYXLOG.pgarc-1', 'RECOVERYXLOG.pgarc-2', 'other.pgarc-3']) {
      await writeFile(join(folder, left), 'x');
      if (!left.endsWith('2')) await utimes(join(folder, left), 1, 1);
    }
    await archive.fetch(name);
    expect((await restored()).sort()).toEqual(['RECOVERYXLOG', 'RECOVERYXLOG.pgarc-2', 'other.pgarc-3']);
  });
});

describe('fetchWal hands over nothing of', () => {
  const good = makeSegment({ number: 3 });
  const cases: [string, string, (stored: Buffer) => Buffer][] = [
    ['a truncated object', 'damaged', (stored) => stored.subarray(0, stored.length >> 1)],
    ['an empty object', 'damaged', () => Buffer.alloc(0)],
    ['a flipped bit', 'damaged', (stored) => flip(stored, stored.length >> 1)],
    ['bytes behind the end', 'damaged', (stored) => Buffer.concat([stored, Buffer.from('more')])],
    ['an XML error page', 'damaged', () => Buffer.from('<?xml version="1.0"?><Error/>')],
  ];
  it.each(cases)('%s', async (_, why, damage) => {
    await archive.plant(good.name, good.bytes);
    const key = `wal_005/${good.name}.lz4`;
    await archive.store.put(key, damage((await archive.store.get(key))!));
    await expect(archive.fetch(good.name)).rejects.toMatchObject({ code: 'object-damaged' });
    await expect(archive.fetch(good.name)).rejects.toThrow(why);
    expect(await restored()).toEqual([]);
  });

  it.each<[string, string, Buffer, string]>([
    [
      'the next segment',
      good.name,
      makeSegment({ number: 4 }).bytes,
      'its first page is that of LSN 0/400000',
    ],
    ['half a segment', good.name, good.bytes.subarray(0, 2 ** 19), 'it has 524288 bytes'],
    ['zeros', good.name, Buffer.alloc(2 ** 20), 'begins with zeros'],
    ['text', '00000002.history', Buffer.from('<html>'), 'damaged'],
    ['nothing', '00000002.history', Buffer.alloc(0), 'damaged'],
  ])('%s under the name of another', async (_, name, bytes, why) => {
    await archive.plant(name, bytes);
    await expect(archive.fetch(name)).rejects.toMatchObject({
      code: 'object-damaged',
      message: expect.stringContaining(why),
    });
    expect(archive.calls.filter((call) => call.startsWith('getStream'))).toHaveLength(2);
    expect(await restored()).toEqual([]);
  });

  it('a header with pages of no bytes, in an object without a checksum', async () => {
    const bytes = Buffer.from(good.bytes);
    bytes.writeUInt32LE(0, 36);
    await archive.store.put(`wal_005/${good.name}`, bytes);
    await expect(archive.fetch(good.name)).rejects.toThrow('impossible page size, 0 bytes');
  });

  it('damage on the way is read once more', async () => {
    await archive.plant(good.name, good.bytes);
    let reads = 0;
    const getStream: ObjectStore['getStream'] = async (key, options) => {
      const found = await archive.store.getStream(key, options);
      reads += 1;
      return reads > 1 || found === undefined ? found : { size: 3, body: toStream(Buffer.from('bad')) };
    };
    await archive.fetch(good.name, { store: without('getStream', getStream) });
    expect((await readFile(join(archive.data, 'pg_wal/RECOVERYXLOG'))).equals(good.bytes)).toBe(true);
  });

  it('an unwritable destination', async () => {
    await archive.plant(good.name, good.bytes);
    const attempt = archive.fetch(good.name, { destination: '/does/not/exist/X' });
    await expect(attempt).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('cannot write'),
    });
  });

  it('an interrupted fetch', async () => {
    await archive.plant(good.name, good.bytes);
    const controller = new AbortController();
    const getStream: ObjectStore['getStream'] = async (key, options) => {
      const found = await archive.store.getStream(key, options);
      controller.abort(new PgarcError('interrupted', 'stopped'));
      return found;
    };
    const attempt = archive.fetch(good.name, {
      store: without('getStream', getStream),
      signal: controller.signal,
    });
    await expect(attempt).rejects.toMatchObject({ code: 'interrupted' });
    expect(await restored()).toEqual([]);
  });

  it('a name that is no WAL file', async () => {
    await expect(archive.fetch('RECOVERYXLOG')).rejects.toMatchObject({ code: 'usage' });
  });

  it('a history is handed over as it is', async () => {
    await archive.plant('00000002.history', Buffer.from(HISTORY));
    await archive.fetch('00000002.history', { destination: 'pg_wal/RECOVERYHISTORY' });
    expect(await readFile(join(archive.data, 'pg_wal/RECOVERYHISTORY'), 'utf8')).toBe(HISTORY);
  });
});

function flip(bytes: Buffer, offset: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(offset) ^ 1, offset);
  return copy;
}

async function* toStream(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
