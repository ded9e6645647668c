import { createBrotliDecompress } from 'node:zlib';
import type { Decoder } from './codec.ts';
import { runZlib, ZLIB_CHUNK } from './zlib-stream.ts';

/** Brotli (RFC 7932), which has no checksum: damage inside a stream can go unseen. */
export const brotli: Decoder = {
  name: 'brotli',
  extension: 'br',
  decompress: (input) => runZlib(createBrotliDecompress({ chunkSize: ZLIB_CHUNK }), input, 'brotli'),
};
