import { mkdir, readdir, rename, rmdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { isPgarcError } from '../../../src/errors.ts';
import { IDENTITY_KEY } from '../../../src/wal/identity.ts';
import { readWalObject } from '../../../src/wal/read-object.ts';
import { makeSegment, SYSTEM_IDENTIFIER } from '../../support/wal-segment.ts';
import { type FolderArchive, makeFolderArchive } from './folder-archive.ts';
import { WalWriter } from './wal-writer.ts';

const { signal } = new AbortController();
const HISTORY = '1\t0/300000\tno recovery target specified\n';

let archive: FolderArchive;
beforeEach(async () => {
  archive = await makeFolderArchive();
});

function stored(name: string): Promise<Buffer | undefined> {
  return readWalObject(archive.store, name, signal);
}

/** Compared as one: a matcher would walk through a megabyte byte by byte. */
async function isStored(name: string, bytes: Buffer): Promise<boolean> {
  return (await stored(name))?.equals(bytes) ?? false;
}

async function keys(): Promise<string[]> {
  return (await Array.fromAsync(archive.store.list(''))).map(({ key }) => key);
}

describe('pushWal', () => {
  it('stores a segment, one request each after the first', async () => {
    const first = makeSegment({ number: 3 });
    const { outcome, bytes, storedBytes } = await archive.push(first.name, first.bytes);
    expect({ outcome, bytes }).toEqual({ outcome: 'stored', bytes: 2 ** 20 });
    expect(storedBytes).toBeLessThan(bytes);
    expect(await isStored(first.name, first.bytes)).toBe(true);
    archive.calls.length = 0;
    const second = makeSegment({ number: 4 });
    await archive.push(second.name, second.bytes);
    // Of a folder the first one is a read of a local file.
    expect(archive.calls).toEqual([`get ${IDENTITY_KEY}`, `putIfAbsent wal_005/${second.name}.lz4`]);
    expect(archive.events.map(({ type }) => type)).toEqual(['walPushed', 'walPushed']);
  });

  it('stores segments of several frames, and large ones as a stream', async () => {
    const { name, bytes } = makeSegment({ size: 2 ** 24 });
    const small = await makeFolderArchive();
    for (const [to, streamAbove] of [
      [archive, 2 ** 24],
      [small, 2 ** 23],
    ] as const) {
      const { storedBytes } = await to.push(name, bytes, { streamAbove });
      expect((await to.store.head(`wal_005/${name}.lz4`))?.size).toBe(storedBytes);
      expect((await readWalObject(to.store, name, signal))?.equals(bytes)).toBe(true);
      expect((await to.push(name, bytes, { streamAbove })).outcome).toBe('already-stored');
    }
    expect(small.calls.some((call) => call.startsWith('putStreamIfAbsent'))).toBe(true);
  });

  it('stores histories, backup histories and partial segments', async () => {
    await archive.push('00000002.history', Buffer.from(HISTORY));
    const { name, bytes } = makeSegment({ number: 2 });
    await archive.push(`${name}.partial`, bytes);
    const label = `START WAL LOCATION: 0/200028 (file ${name})\n`;
    await archive.push(`${name}.00000028.backup`, Buffer.from(label));
    expect((await stored('00000002.history'))?.toString()).toBe(HISTORY);
    expect(await isStored(`${name}.partial`, bytes)).toBe(true);
    expect((await stored(`${name}.00000028.backup`))?.toString()).toBe(label);
    expect(await stored(name)).toBeUndefined();
  });

  it('takes the same bytes again for done, with whatever compression they are stored', async () => {
    const { name, bytes } = makeSegment();
    await archive.push(name, bytes, { method: 'zstd' });
    expect((await archive.push(name, bytes, { method: 'zstd' })).outcome).toBe('already-stored');
    expect((await archive.push(name, bytes, { method: 'lz4' })).outcome).toBe('already-stored');
    expect((await keys()).filter((key) => key.startsWith('wal_005/'))).toEqual([`wal_005/${name}.zst`]);
    await archive.push('00000002.history', Buffer.from(HISTORY), { method: 'zstd' });
    archive.calls.length = 0;
    expect((await archive.push('00000002.history', Buffer.from(HISTORY))).outcome).toBe('already-stored');
    // Whoever stored it may have been killed before it was durable.
    expect(archive.calls.at(-1)).toBe('settle wal_005/00000002.history.zst');
  });

  it.each(['lz4', 'zstd'] as const)('refuses other bytes than those stored as %s', async (method) => {
    const { name, bytes } = makeSegment({ seed: 'a' });
    const other = Buffer.from(bytes);
    other.writeUInt8(other.readUInt8(700_001) ^ 1, 700_001);
    await archive.push(name, bytes, { method });
    const error = await archive.push(name, other).catch((thrown: unknown) => thrown);
    expect(isPgarcError(error, 'wal-conflict') && error.message).toBe(
      `${name} is in the archive already with other contents: stored are 1048576 bytes, the file has 1048576, and they differ from byte 700001 on`,
    );
    expect(isPgarcError(error) && error.exitCode).toBe(1);
    expect(await isStored(name, bytes)).toBe(true);
  });

  it.each([
    [`${HISTORY}2\t0/400000\tx\n`, HISTORY.length],
    ['1\t0/300000\tno recovery target\n', 29],
    ['1\t0/300001\tno recovery target specified\n', 9],
  ])('compares small files, such as %j', async (other, at) => {
    await archive.push('00000003.history', Buffer.from(HISTORY));
    await expect(archive.push('00000003.history', Buffer.from(other))).rejects.toThrow(
      `stored are ${HISTORY.length} bytes, the file has ${other.length}, and they differ from byte ${at} on`,
    );
  });

  it('says so when the stored object is damaged', async () => {
    const { name, bytes } = makeSegment();
    await archive.push(name, bytes);
    const object = await archive.store.get(`wal_005/${name}.lz4`);
    await archive.store.put(`wal_005/${name}.lz4`, object!.subarray(0, 1000));
    await expect(archive.push(name, bytes)).rejects.toMatchObject({
      code: 'wal-conflict',
      exitCode: 1,
      message: expect.stringContaining('is in the archive already, but that object is damaged'),
    });
  });

  it('does not call damaged, nor let go, what WAL-G stored in a form pgarc does not read', async () => {
    const before = makeSegment({ number: 2 });
    await archive.push(before.name, before.bytes, { method: 'zstd' });
    const { name, bytes } = makeSegment();
    await archive.store.put(`wal_005/${name}.lzma`, bytes);
    const error = await archive.push(name, bytes).catch((thrown: unknown) => thrown);
    if (!isPgarcError(error, 'wal-conflict')) throw error;
    expect(error.message).toBe(
      `${name} is in the archive already as wal_005/${name}.lzma, a form that pgarc does not read, so it cannot be compared`,
    );
    expect(`${error.message} ${error.hint}`).not.toMatch(/damaged|Remove/);
    expect((await keys()).filter((key) => key.includes(name))).toEqual([`wal_005/${name}.lzma`]);
    // Beside a form that is read, and the same, it does not matter.
    await archive.plant(name, bytes);
    expect((await archive.push(name, bytes)).outcome).toBe('already-stored');
  });

  it('lets exactly one of two win that push other bytes at once', async () => {
    const [a, b] = [makeSegment({ seed: 'a' }), makeSegment({ seed: 'b' })];
    const other = await makeFolderArchive();
    await archive.push('00000002.history', Buffer.from(HISTORY));
    const results = await Promise.allSettled([
      archive.push(a.name, a.bytes),
      other.push(b.name, b.bytes, { store: archive.store }),
    ]);
    const lost = results.filter((result) => result.status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(lost[0]?.reason).toMatchObject({ code: 'wal-conflict' });
    const winner = results[0].status === 'fulfilled' ? a : b;
    expect(await isStored(a.name, winner.bytes)).toBe(true);
  });
});

describe('pushWal of the last segment of a timeline, which a standby offers incomplete', () => {
  const SIZE = 2 ** 20;
  const NAME = '000000010000000000000003';

  /** Records up to a switch, then what `tail` makes of it. @returns the segment and where the switch is */
  function makeLast(tail: { garbage?: number; wal?: boolean }): { bytes: Buffer; left: bigint } {
    const writer = new WalWriter({ start: BigInt(3 * SIZE) });
    for (let i = 0; i < 40; i++) writer.fill(5000);
    const left = writer.lsn;
    if (tail.wal) while (writer.lsn < BigInt(4 * SIZE)) writer.fill(5000);
    const bytes = writer.segments().get(3n)!;
    if (tail.garbage !== undefined) bytes.fill(tail.garbage, Number(left) - 3 * SIZE);
    return { bytes, left };
  }

  const { left } = makeLast({});
  const at = (lsn: bigint) => `${(lsn >> 32n).toString(16)}/${lsn.toString(16).toUpperCase()}`;
  const keep = (lsn: bigint, timeline = 2) =>
    writeFile(join(archive.data, `pg_wal/0000000${timeline}.history`), `1\t${at(lsn)}\tx\n`);
  const flipped = (bytes: Buffer, offset: number) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(offset) ^ 1, offset);
    return copy;
  };

  it.each([
    ['another standby’s', makeLast({ garbage: 0xaa }).bytes],
    ['one that the replaced primary wrote on', makeLast({ wal: true }).bytes],
  ])('takes %s for the same, and says so', async (_, stored) => {
    await archive.push(NAME, stored);
    await keep(left);
    archive.events.length = 0;
    const own = makeLast({ garbage: 0xbb }).bytes;
    expect((await archive.push(NAME, own)).outcome).toBe('already-stored');
    expect(archive.events).toMatchObject([
      {
        type: 'warning',
        message: expect.stringContaining(`up to ${at(left)}, where timeline 2 leaves timeline 1`),
      },
      { type: 'walAlreadyStored', name: NAME },
    ]);
    expect(await isStored(NAME, stored)).toBe(true);
  });

  it('takes nothing for the same without such a history', async () => {
    await archive.push(NAME, makeLast({ garbage: 0xaa }).bytes);
    const own = makeLast({ garbage: 0xbb }).bytes;
    const refused = () => expect(archive.push(NAME, own)).rejects.toMatchObject({ code: 'wal-conflict' });
    await refused();
    for (const lsn of [left - 8n, left + 64n, BigInt(3 * SIZE), BigInt(4 * SIZE)]) {
      await keep(lsn);
      await refused();
    }
    await keep(left, 3);
    expect((await archive.push(NAME, own)).outcome).toBe('already-stored');
  });

  it('does not let go WAL that goes on behind the place where a rejected history leaves', async () => {
    await archive.push(NAME, makeLast({ garbage: 0xaa }).bytes);
    await keep(left);
    const own = makeLast({ wal: true }).bytes;
    await expect(archive.push(NAME, own)).rejects.toMatchObject({ code: 'wal-conflict' });
  });

  it('refuses a difference before the switch', async () => {
    const own = makeLast({ garbage: 0xbb }).bytes;
    await archive.push(NAME, flipped(makeLast({ garbage: 0xaa }).bytes, Number(left) - 3 * SIZE - 1));
    await keep(left);
    await expect(archive.push(NAME, own)).rejects.toMatchObject({ code: 'wal-conflict' });
  });
});

describe('pushWal into a folder whose disk is not mounted', () => {
  const root = () => archive.store.location.replace('file://', '');
  /** The mount point without its disk, or with another one. */
  async function unmount(): Promise<void> {
    await rename(root(), `${root()}.disk`);
    await mkdir(root());
  }

  it('stores nothing there, and goes on once it is back', async () => {
    const [first, second] = [makeSegment({ number: 3 }), makeSegment({ number: 4 })];
    await archive.push(first.name, first.bytes);
    await unmount();
    for (const [name, bytes] of [
      [second.name, second.bytes],
      [first.name, first.bytes],
      ['00000002.history', Buffer.from(HISTORY)],
    ] as const) {
      await expect(archive.push(name, bytes)).rejects.toMatchObject({
        code: 'store-unreachable',
        exitCode: 7,
        message: expect.stringContaining('this host has used it before'),
        hint: expect.stringMatching(/mounted.*remove .*archive-[0-9a-f]+\.json/),
      });
    }
    expect(await readdir(root())).toEqual([]);
    await rmdir(root());
    await rename(`${root()}.disk`, root());
    expect((await archive.push(second.name, second.bytes)).outcome).toBe('stored');
  });

  it('does not take WAL that went there once for the archive', async () => {
    const [first, second] = [makeSegment({ number: 3 }), makeSegment({ number: 4 })];
    await archive.push(first.name, first.bytes);
    await unmount();
    await archive.plant(first.name, first.bytes);
    await expect(archive.push(second.name, second.bytes)).rejects.toMatchObject({
      code: 'store-unreachable',
    });
    await expect(archive.fetch(second.name)).rejects.toMatchObject({ code: 'store-unreachable' });
  });

  it('stores nothing on the disk of another cluster', async () => {
    const [first, second] = [makeSegment({ number: 3 }), makeSegment({ number: 4 })];
    await archive.push(first.name, first.bytes);
    await unmount();
    await archive.store.put(IDENTITY_KEY, Buffer.from('{"system_identifier":"7"}'));
    await expect(archive.push(second.name, second.bytes)).rejects.toMatchObject({ code: 'wal-invalid' });
  });
});

describe('pushWal stores nothing of', () => {
  const good = makeSegment();
  it.each<[string, string, Uint8Array, string]>([
    ['a name that is no WAL file', 'postgresql.conf', good.bytes, 'is not the name of a WAL file'],
    ['an empty file', good.name, Buffer.alloc(0), 'it is empty'],
    ['a short file', good.name, good.bytes.subarray(0, 8192), 'it has 8192 bytes'],
    ['zeros', good.name, Buffer.alloc(2 ** 20), 'its 1048576 bytes are all zeros'],
    ['another segment', good.name, makeSegment({ number: 9 }).bytes, 'its first page is that of LSN'],
    ['another magic', good.name, makeSegment({ magic: 0x4242 }).bytes, '0x4242'],
    ['an empty history', '00000002.history', Buffer.alloc(0), 'it is empty'],
    ['a broken history', '00000002.history', Buffer.from('garbage'), 'damaged'],
    ['a huge history', '00000002.history', Buffer.alloc(5 * 2 ** 20), 'too many'],
  ])('%s', async (_, name, bytes, why) => {
    await expect(archive.push(name, bytes)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining(why),
    });
    expect(await keys()).toEqual([]);
  });

  it('a file that does not exist, or is a directory', async () => {
    const deps = { encoder: undefined as never, pgdata: undefined, emit: () => undefined, ...archive };
    const { pushWal } = await import('../../../src/wal/push.ts');
    const path = join(archive.data, 'pg_wal', good.name);
    await expect(pushWal(deps, { path, cwd: '/' }, signal)).rejects.toThrow('does not exist');
    await mkdir(path);
    await expect(pushWal(deps, { path, cwd: '/' }, signal)).rejects.toThrow('not a regular file');
    expect(await keys()).toEqual([]);
  });

  it('a file that is written to meanwhile', async () => {
    const { name, bytes } = makeSegment();
    const store = new Proxy(archive.store, {
      get(target, property) {
        if (property === 'list') void utimes(join(archive.data, 'pg_wal', name), 1, 1);
        return Reflect.get(target, property);
      },
    });
    await expect(archive.push(name, bytes, { store, streamAbove: 0 })).rejects.toThrow(
      'was written to while',
    );
    expect((await keys()).filter((key) => key.startsWith('wal_005/'))).toEqual([]);
  });
});

describe('the identity of an archive', () => {
  const own = makeSegment();
  const foreign = makeSegment({ number: 4, systemIdentifier: 42n });
  const sentinel = (id: unknown) =>
    Buffer.from(`{"LSN":33554472,"SystemIdentifier":${id},"FinishLSN":33554688}`);

  it('is written by the first push and refuses another cluster, also without the note', async () => {
    await archive.push(own.name, own.bytes);
    const identity = await archive.store.get(IDENTITY_KEY);
    expect(JSON.parse(String(identity))).toMatchObject({ system_identifier: String(SYSTEM_IDENTIFIER) });
    for (const spool of [archive.spool, join(archive.spool, 'other')]) {
      await expect(archive.push(foreign.name, foreign.bytes, { spool })).rejects.toMatchObject({
        exitCode: 1,
        message: expect.stringMatching(`belongs to the cluster .* ${SYSTEM_IDENTIFIER}, and this one has 42`),
        hint: expect.stringContaining('new one'),
      });
    }
    expect(await stored(foreign.name)).toBeUndefined();
  });

  it('does not believe a note that differs from the store', async () => {
    await archive.push(own.name, own.bytes);
    await archive.store.delete(await keys());
    await archive.store.put(IDENTITY_KEY, Buffer.from('{"system_identifier":"42"}'));
    await archive.push(foreign.name, foreign.bytes);
    expect(await isStored(foreign.name, foreign.bytes)).toBe(true);
  });

  it("is taken from the newest backup's sentinel", async () => {
    await archive.store.put('basebackups_005/base_A_backup_stop_sentinel.json', sentinel(41));
    await archive.store.put('basebackups_005/base_B_backup_stop_sentinel.json', sentinel(SYSTEM_IDENTIFIER));
    const root = archive.store.location.replace('file://', '');
    await utimes(join(root, 'basebackups_005/base_A_backup_stop_sentinel.json'), 1, 1);
    await expect(archive.push(foreign.name, foreign.bytes)).rejects.toMatchObject({ exitCode: 1 });
    expect(await keys()).toHaveLength(2);
    await archive.push(own.name, own.bytes);
  });

  it("is taken from the segment of WAL-E's newest backup", async () => {
    const name = `base_${own.name}_00000040_backup_stop_sentinel.json`;
    await archive.store.put(`basebackups_005/${name}`, Buffer.from('{"wal_segment_backup_stop":"x"}'));
    await archive.plant(own.name, own.bytes);
    await archive.plant(foreign.name, foreign.bytes);
    await archive.push(own.name, own.bytes);
    await expect(archive.push(foreign.name, foreign.bytes)).rejects.toMatchObject({ exitCode: 1 });
  });

  it('is taken from the newest segment when there is no backup', async () => {
    await archive.plant(own.name, own.bytes, 'zstd');
    await archive.store.put('wal_005/00000002.history.lz4', Buffer.from('newer, and not a segment'));
    await expect(archive.push(foreign.name, foreign.bytes)).rejects.toMatchObject({ exitCode: 1 });
    await archive.push(own.name, own.bytes);
  });

  it('costs a warning, not the push, when the spool cannot be written', async () => {
    const spool = join(archive.data, 'file');
    await writeFile(spool, '');
    await archive.push(own.name, own.bytes, { spool });
    expect(await isStored(own.name, own.bytes)).toBe(true);
    expect(archive.events.some(({ type }) => type === 'warning')).toBe(true);
  });
});
