/**
 * liblz4 through koffi, and libxxhash beside it for the checksum of a frame's content: liblz4's own copy of
 * XXH32 is built so that it takes longer than compressing does (Debian's 1.9.4: 1.8 GB/s against 10 GB/s,
 * which is a third of all CPU time of a backup). Calls run on libuv's worker threads; buffers stay referenced
 * until they end.
 */
import { PgarcError } from '../errors.ts';
import { bindBlocks } from './lz4-block-library.ts';
import type { Lz4Blocks } from './lz4-blocks.ts';
import { callAsync, type NativeFunction, type NativeLibrary, offHeap } from './native-call.ts';

/** What pgarc needs of liblz4 (lz4frame.h, API version 100). */
export interface Lz4Library {
  /** Largest frame over `length` input bytes. */
  frameBound(length: number): number;
  /** Compresses one frame, but for the flag of the content checksum in its header. @returns bytes written */
  compressFrame(input: Uint8Array, output: Buffer): Promise<number>;
  openDecompressor(): Lz4Decompressor;
  /** The quicker way to unpack; undefined without libxxhash. */
  readonly blocks: Lz4Blocks | undefined;
}

export interface Lz4Decompressor {
  /**
   * Reads from `input` at `at`, fills `output` from its start. One call at a time.
   * @throws PgarcError `object-damaged`
   */
  run(input: Uint8Array, at: number, output: Buffer): Promise<Lz4Progress>;
  /** Frees its memory; not while a call runs. */
  close(): void;
}

export interface Lz4Progress {
  read: number;
  written: number;
  /** A frame ended exactly here. */
  isFrameEnd: boolean;
}

/** As the dynamic loader knows it on Debian, Alpine, macOS (Homebrew on Apple silicon and Intel). */
const LIBRARY_NAMES: readonly string[] = [
  'liblz4.so.1',
  'liblz4.1.dylib',
  '/opt/homebrew/lib/liblz4.1.dylib',
  '/usr/local/lib/liblz4.1.dylib',
];

/** A dependency of APT, rsync and others, but not everywhere; without it liblz4 does all. */
const HASH_NAMES: readonly string[] = [
  'libxxhash.so.0',
  'libxxhash.0.dylib',
  '/opt/homebrew/lib/libxxhash.0.dylib',
  '/usr/local/lib/libxxhash.0.dylib',
];

const LZ4F_VERSION = 100;
/** LZ4F_preferences_t: frameInfo.blockSizeID, blockMode, contentChecksumFlag, then fields that stay 0. */
const PREFERENCES_SIZE = 56;
const MAX_4_MIB = 7;
const INDEPENDENT = 1;
const CHECKSUM = 1;
const NO_CHECKSUM = 0;
const CHECKSUM_SIZE = 4;

/** Loads liblz4. @returns undefined when this machine has none, or koffi does not run on it */
export async function loadLz4Library(
  names: readonly string[] = LIBRARY_NAMES,
  hashNames: readonly string[] = HASH_NAMES,
): Promise<Lz4Library | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const library = loadFirst(koffi.load, names);
    const hashLibrary = loadFirst(koffi.load, hashNames);
    return library && bindLibrary(library, hashLibrary);
  } catch {
    // No prebuilt koffi for this platform, or a library of another kind.
    return undefined;
  }
}

function loadFirst(
  load: (name: string) => NativeLibrary,
  names: readonly string[],
): NativeLibrary | undefined {
  for (const name of names) {
    try {
      return load(name);
    } catch {
      // Not under this name.
    }
  }
  return undefined;
}

function bindLibrary(library: NativeLibrary, hashLibrary: NativeLibrary | undefined): Lz4Library {
  const bind = (prototype: string): NativeFunction => library.func(prototype) as NativeFunction;
  const frameBound = bind('size_t LZ4F_compressFrameBound(size_t size, void *preferences)');
  const compressFrame = bind(
    'size_t LZ4F_compressFrame(void *output, size_t capacity, void *input, size_t size, void *preferences)',
  );
  const createContext = bind('size_t LZ4F_createDecompressionContext(_Out_ void **context, uint version)');
  const freeContext = bind('size_t LZ4F_freeDecompressionContext(void *context)');
  const decompress = bind(
    'size_t LZ4F_decompress(void *context, void *output, void *outputSize, void *input, void *inputSize, void *options)',
  );
  const isError = bind('uint LZ4F_isError(size_t code)');
  const errorName = bind('const char *LZ4F_getErrorName(size_t code)');

  const hash = hashLibrary?.func('uint XXH32(void *input, size_t size, uint seed)') as
    | NativeFunction
    | undefined;

  const preferences = makePreferences(CHECKSUM);
  const withoutChecksum = makePreferences(NO_CHECKSUM);

  const check = (code: unknown): number | bigint => {
    if (isError(code) !== 0) throw new PgarcError('failed', `liblz4: ${String(errorName(code))}`);
    return code as number | bigint;
  };

  return {
    blocks: hashLibrary && bindBlocks(library, hashLibrary),

    frameBound: (length) => Number(frameBound(length, preferences)),

    async compressFrame(input, output) {
      const compress = async (room: number, how: Buffer) =>
        Number(check(await callAsync(compressFrame, output, room, input, input.length, how)));
      if (hash === undefined) return compress(output.length, preferences);
      // The checksum is the last field of a frame; that there is one, the header that lz4.ts writes says.
      const [length, checksum] = await settleBoth(
        compress(output.length - CHECKSUM_SIZE, withoutChecksum),
        callAsync(hash, input, input.length, 0),
      );
      return output.writeUInt32LE(checksum as number, length);
    },

    openDecompressor() {
      const created: unknown[] = [null];
      check(createContext(created, LZ4F_VERSION));
      const context = created[0];
      const inputSize = offHeap(8);
      const outputSize = offHeap(8);
      return {
        async run(input, at, output) {
          const rest = input.subarray(at);
          inputSize.writeBigUInt64LE(BigInt(rest.length));
          outputSize.writeBigUInt64LE(BigInt(output.length));
          const code = await callAsync(decompress, context, output, outputSize, rest, inputSize, null);
          if (isError(code) !== 0) {
            throw new PgarcError('object-damaged', `lz4 data is damaged: ${String(errorName(code))}`);
          }
          return {
            read: Number(inputSize.readBigUInt64LE()),
            written: Number(outputSize.readBigUInt64LE()),
            isFrameEnd: Number(code) === 0,
          };
        },
        close() {
          freeContext(context);
        },
      };
    },
  };
}

/** Both threads have left the buffers alone when this throws. */
async function settleBoth<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
}

function makePreferences(contentChecksum: number): Buffer {
  const preferences = offHeap(PREFERENCES_SIZE);
  preferences.writeInt32LE(MAX_4_MIB, 0);
  preferences.writeInt32LE(INDEPENDENT, 4);
  preferences.writeInt32LE(contentChecksum, 8);
  return preferences;
}
