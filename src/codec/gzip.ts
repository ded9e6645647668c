import { createGunzip } from 'node:zlib';
import type { Decoder } from './codec.ts';
import { runZlib, ZLIB_CHUNK } from './zlib-stream.ts';

/** gzip, one or several members (RFC 1952). */
export const gzip: Decoder = {
  name: 'gzip',
  extension: 'gz',
  decompress: (input) => runZlib(createGunzip({ chunkSize: ZLIB_CHUNK }), input, 'gzip'),
};
