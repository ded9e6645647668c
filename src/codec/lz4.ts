/** LZ4 frames: 4 MiB independent blocks with a content checksum, one frame a call; frames in a row are a stream. */
import { PgarcError } from '../errors.ts';
import type { Encoder } from './codec.ts';
import { gather } from './gather.ts';
import { readLz4Frames } from './lz4-blocks.ts';
import { LZ4_FRAME_HEADER } from './lz4-frame.ts';
import { type Lz4Library, loadLz4Library } from './lz4-library.ts';

/** Input for one call into the library, bytes: enough that the hop to a worker thread does not show. */
const INPUT = 1024 * 1024;
/** The largest block, so that it is unpacked in place. */
const OUTPUT = 4 * 1024 * 1024;

/** Opens the codec on liblz4, or on the slower lz4-napi where this machine has none. */
export async function openLz4(load: typeof loadLz4Library = loadLz4Library): Promise<Encoder> {
  const library = await load();
  if (library !== undefined) return codecOn(library);
  const { openLz4Fallback } = await import('./lz4-fallback.ts');
  return openLz4Fallback();
}

function codecOn(library: Lz4Library): Encoder {
  return {
    name: 'lz4',
    extension: 'lz4',
    bound: (length) => library.frameBound(length),
    async compressFrame(input, output) {
      const length = await library.compressFrame(input, output);
      LZ4_FRAME_HEADER.copy(output);
      return length;
    },
    decompress: (input, options) =>
      library.blocks === undefined
        ? decompress(library, input)
        : readLz4Frames(input, library.blocks, options),
  };
}

/** The whole of it by liblz4. */
async function* decompress(library: Lz4Library, input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const decompressor = library.openDecompressor();
  // Two in turn: one is filled while the reader works on the other.
  let output: Buffer = Buffer.allocUnsafeSlow(OUTPUT);
  let other: Buffer = Buffer.allocUnsafeSlow(OUTPUT);
  let isFrameEnd = false;
  try {
    for await (const chunk of gather(input, INPUT)) {
      let at = 0;
      let isFull = false;
      // A full output may hide more of the same frame even when all input is read.
      while (at < chunk.length || (isFull && !isFrameEnd)) {
        const step = await decompressor.run(chunk, at, output);
        at += step.read;
        isFrameEnd = step.isFrameEnd;
        isFull = step.written === output.length;
        if (step.written === 0) continue;
        yield output.subarray(0, step.written);
        [output, other] = [other, output];
      }
    }
    if (!isFrameEnd) throw new PgarcError('object-damaged', 'lz4 data is truncated');
  } finally {
    decompressor.close();
  }
}
