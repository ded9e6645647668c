import { PAGE_CHECKSUM_CODE } from './page-checksum-code.ts';

// TypeScript's types of WebAssembly come with the browser's, which this project has no use for.
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: { countGood: CountGood } };
};

/**
 * How many pages are good, from an offset in the memory on: up to the first that is bad or new.
 * @param at bytes
 * @param block number of the first page in the relation
 */
export type CountGood = (at: number, pages: number, block: number, blockSize: number) => number;

/** Bytes of a page of WebAssembly's memory, and the most of them the code takes. */
const WASM_PAGE = 65_536;
const MOST_PAGES = 65_536;

const counters = new WeakMap<ArrayBufferLike, CountGood>();

/**
 * Makes memory in which pages are checked by code for the processor's vectors, which only sees memory of its
 * own kind. On a machine that cannot run it this is ordinary memory. Bytes nobody has written to take no room.
 */
export function makePageMemory(bytes: number): ArrayBuffer {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / WASM_PAGE), maximum: MOST_PAGES });
    const module = new WebAssembly.Module(Buffer.from(PAGE_CHECKSUM_CODE, 'base64'));
    const { exports } = new WebAssembly.Instance(module, { pages: { memory } });
    counters.set(memory.buffer, exports.countGood);
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
