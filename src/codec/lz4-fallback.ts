/** LZ4 for machines without liblz4: lz4-napi packs frames and unpacks blocks, the frames are read here. */
import { compressFrame, uncompress } from 'lz4-napi';
import { messageOf, PgarcError } from '../errors.ts';
import { ByteSource } from './byte-source.ts';
import type { Encoder } from './codec.ts';
import { LZ4_FRAME_HEADER, type Lz4FrameHeader, readLz4FrameHeader } from './lz4-frame.ts';
import { Xxh32, xxh32 } from './xxh32.ts';

const BLOCK = 4 * 1024 * 1024;
/** Header, end mark and content checksum. */
const FRAME_OVERHEAD = 19 + 4 + 4;
const BLOCK_HEADER = 4;
const STORED = 0x8000_0000;
/** A byte of a block stands for 255 at most. */
const MAX_RATIO = 255;
/** How far back a dependent block may reach. */
const HISTORY = 64 * 1024;

export function openLz4Fallback(): Encoder {
  return {
    name: 'lz4',
    extension: 'lz4',
    bound: (length) => length + FRAME_OVERHEAD + BLOCK_HEADER * (Math.ceil(length / BLOCK) + 1),
    async compressFrame(input, output) {
      const frame = await compressFrame(input, { contentChecksum: true });
      if (frame.length > output.length) throw new PgarcError('failed', 'lz4: the output buffer is too small');
      frame.copy(output);
      LZ4_FRAME_HEADER.copy(output);
      return frame.length;
    },
    decompress,
  };
}

async function* decompress(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const source = new ByteSource(input, 'lz4 data');
  try {
    do {
      const header = await readLz4FrameHeader(source);
      if (header !== undefined) yield* readBlocks(source, header);
    } while (!(await source.isAtEnd()));
  } finally {
    await source.close();
  }
}

async function* readBlocks(source: ByteSource, header: Lz4FrameHeader): AsyncGenerator<Buffer> {
  const checksum = header.hasContentChecksum ? new Xxh32() : undefined;
  const sized = Buffer.allocUnsafeSlow(BLOCK_HEADER + header.maxBlockSize);
  let history: Buffer = Buffer.alloc(0);
  let total = 0;
  for (;;) {
    const word = (await source.take(4)).readUInt32LE();
    if (word === 0) break;
    const length = word % STORED;
    if (length > header.maxBlockSize) throw damaged('a block is too large');
    const stored = await source.take(length);
    stored.copy(sized, BLOCK_HEADER);
    // The package wants the unpacked size before the block, and makes room for it; a limit will do.
    sized.writeUInt32LE(Math.min(header.maxBlockSize, length * MAX_RATIO));
    const packed = sized.subarray(0, BLOCK_HEADER + length);
    if (
      header.hasBlockChecksum &&
      (await source.take(4)).readUInt32LE() !== xxh32(packed.subarray(BLOCK_HEADER))
    ) {
      throw damaged('a block has a wrong checksum');
    }
    const block = word >= STORED ? Buffer.from(packed.subarray(BLOCK_HEADER)) : await unpack(packed, history);
    checksum?.update(block);
    total += block.length;
    if (!header.isIndependent) history = lastBytes(history, block);
    yield block;
  }
  if (checksum !== undefined && (await source.take(4)).readUInt32LE() !== checksum.digest()) {
    throw damaged('the content has a wrong checksum');
  }
  if (header.contentSize !== undefined && header.contentSize !== BigInt(total))
    throw damaged('the size is wrong');
}

async function unpack(packed: Buffer, history: Buffer): Promise<Buffer> {
  try {
    return await (history.length > 0 ? uncompress(packed, history) : uncompress(packed));
  } catch (cause) {
    throw damaged(messageOf(cause));
  }
}

function lastBytes(history: Buffer, block: Buffer): Buffer {
  if (block.length >= HISTORY) return Buffer.from(block.subarray(-HISTORY));
  return Buffer.concat([history, block]).subarray(-HISTORY);
}

function damaged(why: string): PgarcError {
  return new PgarcError('object-damaged', `lz4 data is damaged: ${why}`);
}
