import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DIRECT_FROM } from '../../../../src/backup/fetch/direct-file.ts';
import { applyIncrement } from '../../../../src/backup/fetch/increment-file.ts';
import { Tree } from '../../../../src/backup/fetch/tree.ts';

let folder: string;
let tree: Tree;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgarc-unit-'));
  tree = new Tree(folder, undefined);
});
afterEach(() => rm(folder, { recursive: true }));

async function* chunksOf(content: Buffer, size: number): AsyncGenerator<Buffer> {
  // One buffer for all, as a decoder has: whoever keeps a chunk too long writes the wrong bytes.
  const shared = Buffer.alloc(size);
  for (let at = 0; at < content.length; at += size) {
    const length = content.copy(shared, 0, at);
    yield shared.subarray(0, length);
  }
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

describe('Tree', () => {
  it.each([0, 1, 8192, 100_000, DIRECT_FROM, DIRECT_FROM + 1, DIRECT_FROM + 8192, 3 * DIRECT_FROM - 512])(
    'writes a file of %d bytes as it came',
    async (size) => {
      const content = randomBytes(size);
      const written = await tree.writeFile('base/1/16384', 0o640, size, chunksOf(content, 300_001));
      expect(written).toEqual({ size, crc32c: crc32c(content) });
      const path = join(folder, 'base/1/16384');
      expect(digest(await readFile(path))).toBe(digest(content));
      expect((await stat(path)).mode & 0o777).toBe(0o640);
    },
  );

  it('writes several large files at the same time', async () => {
    const contents = Array.from({ length: 12 }, () => randomBytes(DIRECT_FROM));
    await Promise.all(
      contents.map((content, i) =>
        tree.writeFile(`f${i}`, 0o600, content.length, chunksOf(content, 1 << 20)),
      ),
    );
    for (const [i, content] of contents.entries()) {
      expect(digest(await readFile(join(folder, `f${i}`)))).toBe(digest(content));
    }
  });

  it.each([10, DIRECT_FROM])('never overwrites: %d bytes', async (size) => {
    const content = Buffer.alloc(size);
    await tree.writeFile('a', 0o600, size, chunksOf(content, 65_536));
    await expect(tree.writeFile('a', 0o600, size, chunksOf(content, 65_536))).rejects.toMatchObject({
      code: 'object-damaged',
    });
  });

  it('hands on what its source throws, and is free for the next file', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(1 << 20);
      throw new Error('cut off');
    }
    for (let i = 0; i < 20; i++) {
      await expect(tree.writeFile(`f${i}`, 0o600, DIRECT_FROM, broken())).rejects.toThrow('cut off');
    }
  });

  it('keeps the data directory closed to others', async () => {
    tree.makeDirectory('', 0o755);
    expect((await stat(folder)).mode & 0o777).toBe(0o750);
    tree.makeDirectory('a/b', 0o700);
    tree.makeDirectory('a', 0o750);
    expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o750);
  });

  it('writes names that are not UTF-8', async () => {
    await tree.writeFile('f\udcff', 0o600, 1, chunksOf(Buffer.from('x'), 1));
    expect(await readFile(Buffer.concat([Buffer.from(`${folder}/f`), Buffer.of(0xff)]), 'utf8')).toBe('x');
  });
});

describe('applyIncrement', () => {
  const PAGE = 8192;
  const entry = (size: number) => ({
    name: '/f',
    type: 'file' as const,
    size,
    mode: 0o600,
    mtime: new Date(0),
    uid: 0,
    gid: 0,
  });

  function makeIncrement(fileSize: number, blocks: number[], fill = 7): Buffer {
    const header = Buffer.alloc(16 + 4 * blocks.length);
    header.write('wi1U', 'latin1');
    header.writeBigUInt64LE(BigInt(fileSize), 4);
    header.writeUInt32LE(blocks.length, 12);
    for (const [i, block] of blocks.entries()) header.writeUInt32LE(block, 16 + 4 * i);
    return Buffer.concat([header, ...blocks.map((block) => Buffer.alloc(PAGE, fill + block))]);
  }

  async function apply(increment: Buffer): Promise<Buffer> {
    await applyIncrement(tree, 'f', entry(increment.length), chunksOf(increment, 1000));
    return await readFile(join(folder, 'f'));
  }

  it('cuts or extends the file and replaces pages', async () => {
    await tree.writeFile('f', 0o600, 4 * PAGE, chunksOf(Buffer.alloc(4 * PAGE, 1), PAGE));
    const shorter = await apply(makeIncrement(3 * PAGE, [0, 2]));
    expect(shorter).toEqual(
      Buffer.concat([Buffer.alloc(PAGE, 7), Buffer.alloc(PAGE, 1), Buffer.alloc(PAGE, 9)]),
    );
    const longer = await apply(makeIncrement(6 * PAGE, [4, 5]));
    expect(longer).toHaveLength(6 * PAGE);
    expect(longer.subarray(3 * PAGE, 4 * PAGE)).toEqual(Buffer.alloc(PAGE));
    expect(longer.subarray(5 * PAGE)).toEqual(Buffer.alloc(PAGE, 12));
    expect(await apply(makeIncrement(0, []))).toHaveLength(0);
  });

  it.each([
    ['a wrong magic', () => Buffer.from(makeIncrement(PAGE, [0]).fill(0, 0, 4))],
    ['pages out of order', () => makeIncrement(3 * PAGE, [2, 1])],
    ['a page past the end', () => makeIncrement(2 * PAGE, [2])],
    ['too few pages', () => makeIncrement(3 * PAGE, [0, 1]).subarray(0, -PAGE)],
  ])('refuses %s', async (_, make) => {
    await expect(apply(make())).rejects.toMatchObject({ code: 'object-damaged' });
  });
});
