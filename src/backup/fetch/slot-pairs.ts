/** Bytes of one write past the page cache. */
export const SLOT_BYTES = 2 * 1024 * 1024;

/** Bytes of a page of WebAssembly's memory. */
const WASM_PAGE = 65_536;

// TypeScript's types of WebAssembly come with the browser's, which this project has no use for.
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

/** One is filled while the other is written. */
export type SlotPair = readonly [Buffer, Buffer];

/**
 * Buffers that begin on a memory page, as writes past the page cache demand. The memory of WebAssembly is the
 * only kind that JavaScript gets aligned. Pages nobody has filled take no room.
 */
export class SlotPairs {
  readonly #free: SlotPair[] = [];
  readonly #waiting: ((pair: SlotPair) => void)[] = [];

  constructor(pairs: number) {
    const pages = (pairs * 2 * SLOT_BYTES) / WASM_PAGE;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    for (let at = 0; at < buffer.byteLength; at += 2 * SLOT_BYTES) {
      this.#free.push([
        Buffer.from(buffer, at, SLOT_BYTES),
        Buffer.from(buffer, at + SLOT_BYTES, SLOT_BYTES),
      ]);
    }
  }

  async take(): Promise<SlotPair> {
    return this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  give(pair: SlotPair): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(pair);
    else next(pair);
  }
}
