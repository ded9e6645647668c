import { randomBytes } from 'node:crypto';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../../../../src/backup/format/tar.ts';
import type { PageCheck } from '../../../../src/backup/push/pages.ts';
import { TarSource } from '../../../../src/backup/push/tar-source.ts';
import type { WalkedEntry } from '../../../../src/backup/push/walk.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const CHUNK = 4 * 1024 * 1024;

let pgdata: string;
beforeEach(async () => {
  pgdata = await makeTemporaryFolder('data');
});

async function put(name: string, content: Buffer): Promise<WalkedEntry> {
  await writeFile(join(pgdata, name), content);
  return entry(name, content.length);
}

function entry(name: string, size: number): WalkedEntry {
  return {
    name: `/${name}`,
    size,
    mode: 0o600,
    uid: 1,
    gid: 2,
    modifiedNs: 1763733072_123456789n,
    crc32c: 0,
  };
}

/** Packs files in chunks, and reads the tar back. */
async function pack(files: WalkedEntry[], pagesOf: () => PageCheck | undefined = () => undefined) {
  const packed: WalkedEntry[] = [];
  const chunks: Buffer[] = [];
  const source = new TarSource({
    pgdata,
    directories: [{ ...entry('', 0), mode: 0o700 }],
    files,
    pagesOf,
    packed: (file) => packed.push(file),
    read: () => undefined,
    signal: new AbortController().signal,
  });
  for (let done = false; !done; ) {
    const buffer = Buffer.allocUnsafe(CHUNK).fill(0xff);
    const filled = await source.fill(buffer);
    chunks.push(buffer.subarray(0, filled.length));
    done = filled.done;
  }
  await source.close();
  const members = new Map<string, Buffer>();
  async function* input() {
    yield* chunks;
  }
  for await (const { entry: member, body } of readTar(input())) {
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(Buffer.from(piece));
    members.set(member.name, Buffer.concat(pieces));
  }
  return { packed, members, chunks };
}

describe('TarSource', () => {
  it('packs files of all sizes with their checksums', async () => {
    const contents = [0, 1, 511, 512, 8192, 256 * 1024, 256 * 1024 + 1, CHUNK, 2 * CHUNK + 12345];
    const files: WalkedEntry[] = [];
    for (const size of contents) files.push(await put(`f${size}`, randomBytes(size)));
    const { packed, members } = await pack(files);
    expect([...members.keys()]).toEqual(['/', ...files.map(({ name }) => name)]);
    expect(packed.map(({ name, crc32c: crc }) => [name, crc >>> 0])).toEqual(
      files.map(({ name }) => [name, crc32c(members.get(name)!)]),
    );
    expect(packed.map(({ size }) => size)).toEqual(contents);
  });

  it('leaves out what vanished, pads what shrank and cuts what grew', async () => {
    const big = CHUNK + 100;
    const gone = await put('gone', randomBytes(100));
    const goneBig = await put('gone-big', randomBytes(big));
    const shrunk = await put('shrunk', Buffer.alloc(100, 1));
    const shrunkBig = await put('shrunk-big', Buffer.alloc(big, 1));
    const grown = { ...(await put('grown', Buffer.alloc(100, 1))), size: 50 };
    const grownBig = { ...(await put('grown-big', Buffer.alloc(big, 1))), size: big - 50 };
    await rm(join(pgdata, 'gone'));
    await rm(join(pgdata, 'gone-big'));
    await truncate(join(pgdata, 'shrunk'), 10);
    await truncate(join(pgdata, 'shrunk-big'), 10);

    const { packed, members } = await pack([gone, goneBig, shrunk, shrunkBig, grown, grownBig]);
    expect([...members.keys()]).toEqual(['/', '/shrunk', '/shrunk-big', '/grown', '/grown-big']);
    expect(members.get('/shrunk')).toEqual(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(90)]));
    expect(
      members.get('/shrunk-big')!.equals(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(big - 10)])),
    ).toBe(true);
    expect(members.get('/grown')).toHaveLength(50);
    expect(members.get('/grown-big')).toHaveLength(big - 50);
    for (const { name, crc32c: crc } of packed) expect(crc >>> 0).toBe(crc32c(members.get(name)!));
  });

  it('never cuts a page that is checked at the end of a chunk', async () => {
    const file = await put('16384', randomBytes(3 * CHUNK));
    const seen: { length: number; position: number }[] = [];
    const check: PageCheck = {
      pageSize: 8192,
      hasBadPages(target, position) {
        seen.push({ length: target.length, position });
        return false;
      },
      settle: async () => undefined,
    };
    const { members } = await pack([file], () => check);
    expect(members.get('/16384')).toHaveLength(3 * CHUNK);
    expect(seen.length).toBeGreaterThan(3);
    for (const { length, position } of seen) expect([length % 8192, position % 8192]).toEqual([0, 0]);
  });

  it('says which file it cannot read', async () => {
    await mkdir(join(pgdata, 'folder'));
    await expect(pack([entry('folder', 100)])).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining(`${pgdata}/folder`),
    });
  });

  it('takes what a page check puts into the place of a torn page', async () => {
    const file = await put('16384', Buffer.alloc(16384, 1));
    const check: PageCheck = {
      pageSize: 8192,
      hasBadPages: () => true,
      async settle(_name, target) {
        target.fill(2, 0, 8192);
      },
    };
    const { packed, members } = await pack([file], () => check);
    expect(members.get('/16384')!.subarray(0, 8192)).toEqual(Buffer.alloc(8192, 2));
    expect(packed[0]!.crc32c >>> 0).toBe(crc32c(members.get('/16384')!));
  });
});
