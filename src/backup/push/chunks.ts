import { makePageMemory } from '../../postgres/page-memory.ts';

/** A buffer to fill and one for what becomes of it. */
export interface Chunk {
  input: Buffer;
  output: Buffer;
}

/** Bytes of a chunk of tar: one block of an LZ4 frame. */
export const CHUNK_SIZE = 4 * 1024 * 1024;

/**
 * A fixed number of chunks shared by everything that is under way: the memory of a backup is bounded by it,
 * whatever its size, and fresh allocations of this size would cost a third of the speed. Who asks first
 * gets first.
 */
export class ChunkPool {
  readonly #free: Chunk[] = [];
  readonly #waiting: ((chunk: Chunk) => void)[] = [];
  readonly #limit: number;
  readonly #outputSize: number;
  readonly #inputs: ArrayBuffer;
  #made = 0;

  /** @param outputSize bytes that a full chunk may become */
  constructor(limit: number, outputSize: number) {
    this.#limit = limit;
    this.#outputSize = outputSize;
    this.#inputs = makePageMemory(limit * CHUNK_SIZE);
  }

  async acquire(signal: AbortSignal): Promise<Chunk> {
    signal.throwIfAborted();
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.#limit) {
      const input = Buffer.from(this.#inputs, this.#made * CHUNK_SIZE, CHUNK_SIZE);
      this.#made++;
      return {
        input,
        output: Buffer.allocUnsafeSlow(this.#outputSize),
      };
    }
    return await new Promise<Chunk>((resolve, reject) => {
      const stop = () => {
        const at = this.#waiting.indexOf(take);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const take = (chunk: Chunk) => {
        signal.removeEventListener('abort', stop);
        resolve(chunk);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.push(take);
    });
  }

  release(chunk: Chunk): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(chunk);
    else next(chunk);
  }
}
