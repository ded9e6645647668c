import { makeWasmMemory } from '../../system/wasm.ts';

/** Bytes of one write past the page cache. */
export const SLOT_BYTES = 2 * 1024 * 1024;

/** One is filled while the other is written. */
export type SlotPair = readonly [Buffer, Buffer];

/**
 * Buffers that begin on a memory page, as writes past the page cache demand.
 */
export class SlotPairs {
  readonly #free: SlotPair[] = [];
  readonly #waiting: ((pair: SlotPair) => void)[] = [];

  constructor(pairs: number) {
    const { buffer } = makeWasmMemory(pairs * 2 * SLOT_BYTES);
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
