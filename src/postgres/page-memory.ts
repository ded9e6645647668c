import { instantiate, makeWasmMemory } from '../system/wasm.ts';
import { PAGE_CHECKSUM_CODE } from './page-checksum-code.ts';

/**
 * How many pages are good, from an offset in the memory on: up to the first that is bad or new.
 * @param at bytes
 * @param block number of the first page in the relation
 */
export type CountGood = (at: number, pages: number, block: number, blockSize: number) => number;

/** The most memory the code takes, bytes. */
const MOST_BYTES = 4 * 1024 ** 3;

const counters = new WeakMap<ArrayBufferLike, CountGood>();

/**
 * Makes memory in which pages are checked by code for the processor's vectors, which only sees memory of its
 * own kind. On a machine that cannot run it this is ordinary memory.
 */
export function makePageMemory(bytes: number): ArrayBuffer {
  try {
    const memory = makeWasmMemory(bytes, MOST_BYTES);
    const code = Buffer.from(PAGE_CHECKSUM_CODE, 'base64');
    const { countGood } = instantiate(code, { pages: { memory } }) as { countGood: CountGood };
    counters.set(memory.buffer, countGood);
    return memory.buffer;
  } catch {
    // No vectors, or no address space for it.
    return new ArrayBuffer(bytes);
  }
}

/** The code that checks pages in this memory; undefined for ordinary memory. */
export function counterOf(memory: ArrayBufferLike): CountGood | undefined {
  return counters.get(memory);
}
