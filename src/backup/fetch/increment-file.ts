import { ByteSource } from '../../codec/byte-source.ts';
import { PgarcError } from '../../errors.ts';
import type { TarEntry } from '../format/tar.ts';
import type { Tree } from './tree.ts';

/** "wi1U": an increment of WAL-G, version 1. */
const MAGIC = 0x55316977;
const HEADER = 16;
const PAGE = 8192;
/** Pages of a file of 1 GiB. */
const MAX_PAGES = 131_072;

/**
 * Applies WAL-G's increment of a file to the one that the parent backup has left in the tree: cut or extended to
 * its new size, then the changed pages.
 * @throws PgarcError `object-damaged`
 */
export async function applyIncrement(
  tree: Tree,
  path: string,
  entry: TarEntry,
  body: AsyncIterable<Buffer>,
): Promise<void> {
  const source = new ByteSource(body, `increment of ${path}`);
  const header = await source.take(HEADER);
  const size = Number(header.readBigUInt64LE(4));
  const count = header.readUInt32LE(12);
  const isSane = header.readUInt32LE(0) === MAGIC && count <= MAX_PAGES && size <= MAX_PAGES * PAGE;
  if (!isSane || entry.size !== HEADER + count * (4 + PAGE)) {
    throw new PgarcError('object-damaged', `${path} is not an increment of ${entry.size} bytes`);
  }
  const blocks = readBlocks(await source.take(4 * count), count, size, path);
  const file = await tree.openForPages(path, entry.mode, size);
  try {
    for (let index = 0; index < count; ) {
      let run = 1;
      while (index + run < count && blocks[index + run] === blocks[index]! + run) run++;
      for (let done = 0; done < run * PAGE; ) {
        const piece = await source.takeSome(run * PAGE - done);
        await file.write(piece, blocks[index]! * PAGE + done);
        done += piece.length;
      }
      index += run;
    }
  } finally {
    file.close();
  }
}

function readBlocks(bytes: Buffer, count: number, size: number, path: string): Uint32Array {
  const blocks = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    const block = bytes.readUInt32LE(4 * index);
    if ((block + 1) * PAGE > size || (index > 0 && block <= blocks[index - 1]!)) {
      throw new PgarcError('object-damaged', `${path} is an increment with page ${block} out of place`);
    }
    blocks[index] = block;
  }
  return blocks;
}
