/**
 * Unpacks blocks with liblz4 and hashes with libxxhash. LZ4F_decompress does both in one, with the slow copy
 * of XXH32 that is built into Debian's liblz4, and copies most blocks once more: this took 0.5 s of CPU time
 * off each GiB that is restored.
 */
import { PgarcError } from '../errors.ts';
import type { ContentHash, Lz4Blocks } from './lz4-blocks.ts';
import { callAsync, type NativeFunction, type NativeLibrary } from './native-call.ts';

/** Below this a call takes less time than the way to a worker thread and back, bytes. */
const SMALL = 64 * 1024;

/** lz4.h and xxhash.h; every function is in all versions of the last ten years. */
export function bindBlocks(library: NativeLibrary, hashLibrary: NativeLibrary): Lz4Blocks {
  const decompress = library.func(
    'int LZ4_decompress_safe_usingDict(void *input, void *output, int size, int capacity, void *history, int historySize)',
  ) as NativeFunction;
  const createState = hashLibrary.func('void *XXH32_createState(void)') as NativeFunction;
  const freeState = hashLibrary.func('int XXH32_freeState(void *state)') as NativeFunction;
  const reset = hashLibrary.func('int XXH32_reset(void *state, uint seed)') as NativeFunction;
  const updateState = hashLibrary.func(
    'int XXH32_update(void *state, void *input, size_t size)',
  ) as NativeFunction;
  const digestState = hashLibrary.func('uint XXH32_digest(void *state)') as NativeFunction;

  function openHash(): ContentHash {
    const state = createState();
    reset(state, 0);
    return {
      async update(bytes) {
        if (bytes.length < SMALL) updateState(state, bytes, bytes.length);
        else await callAsync(updateState, state, bytes, bytes.length);
      },
      digest: () => digestState(state) as number,
      close() {
        freeState(state);
      },
    };
  }

  return {
    async unpack(packed, output, history) {
      const args = [packed, output, packed.length, output.length, history, history.length];
      const length = packed.length < SMALL ? decompress(...args) : await callAsync(decompress, ...args);
      if ((length as number) < 0)
        throw new PgarcError('object-damaged', 'lz4 data is damaged: a block is malformed');
      return output.subarray(0, length as number);
    },
    openHash,
  };
}
