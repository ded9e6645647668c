import type { Decoder } from './codec.ts';

/** Objects stored as they are. */
export const none: Decoder = {
  name: 'none',
  extension: '',
  async *decompress(input) {
    for await (const chunk of input) yield Buffer.from(chunk);
  },
};
