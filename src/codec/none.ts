import type { Decoder } from './codec.ts';

/** Objects stored as they are. */
export const none: Decoder = {
  name: 'none',
  extension: '',
  async *decompress(input) {
    for await (const { buffer, byteOffset, length } of input) yield Buffer.from(buffer, byteOffset, length);
  },
};
