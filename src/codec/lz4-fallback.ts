/** LZ4 for machines without liblz4: lz4-napi packs frames and unpacks blocks. */
import { compressFrame, uncompress } from 'lz4-napi';
import { messageOf, PgarcError } from '../errors.ts';
import type { Encoder } from './codec.ts';
import { type Lz4Blocks, readLz4Frames } from './lz4-blocks.ts';
import { LZ4_FRAME_HEADER } from './lz4-frame.ts';
import { Xxh32 } from './xxh32.ts';

const BLOCK = 4 * 1024 * 1024;
/** Header, end mark and content checksum. */
const FRAME_OVERHEAD = 19 + 4 + 4;
const BLOCK_HEADER = 4;
/** A byte of a block stands for 255 at most. */
const MAX_RATIO = 255;

/** The codec; its frames begin with the header that all of pgarc's have (LZ4_FRAME_HEADER). */
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
    decompress: (input) => readLz4Frames(input, fallbackBlocks),
  };
}

const fallbackBlocks: Lz4Blocks = {
  async unpack(packed, output, history) {
    // The package wants the unpacked size before the block, and makes room for it; a limit will do.
    const sized = Buffer.allocUnsafe(BLOCK_HEADER + packed.length);
    sized.writeUInt32LE(Math.min(output.length, packed.length * MAX_RATIO));
    packed.copy(sized, BLOCK_HEADER);
    try {
      return await (history.length > 0 ? uncompress(sized, history) : uncompress(sized));
    } catch (cause) {
      throw new PgarcError('object-damaged', `lz4 data is damaged: ${messageOf(cause)}`);
    }
  },
  openHash() {
    const hash = new Xxh32();
    return {
      async update(bytes) {
        hash.update(bytes);
      },
      digest: () => hash.digest(),
      close() {},
    };
  },
};
