/** zstd frames with a checksum; several in a row are one stream. */
import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdCompress } from 'node:zlib';
import { PgarcError } from '../errors.ts';
import type { Encoder } from './codec.ts';
import { runZlib, ZLIB_CHUNK } from './zlib-stream.ts';
import { MAX_WINDOW, splitZstdFrames } from './zstd-frames.ts';

const compress = promisify(zstdCompress);

/** zstd's own default: a window of 2 MiB, far below what WAL-G reads. */
const LEVEL = 3;

export const zstd: Encoder = {
  name: 'zstd',
  extension: 'zst',

  // ZSTD_COMPRESSBOUND, and room for a frame header and checksum around nothing.
  bound: (length) => length + (length >> 8) + 128,

  async compressFrame(input, output) {
    const frame = await compress(input, {
      // All of it in one go on the worker thread.
      chunkSize: zstd.bound(input.length),
      params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
      pledgedSrcSize: input.length,
    });
    if (frame.length > output.length) throw new PgarcError('failed', 'zstd: the output buffer is too small');
    frame.copy(output);
    return frame.length;
  },

  decompress(input) {
    const params = { [constants.ZSTD_d_windowLogMax]: Math.log2(MAX_WINDOW) };
    return runZlib(createZstdDecompress({ chunkSize: ZLIB_CHUNK, params }), splitZstdFrames(input), 'zstd');
  },
};
