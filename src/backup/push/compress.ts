import type { Encoder } from '../../codec/codec.ts';
import type { Chunk, ChunkPool } from './chunks.ts';

/** Something that fills buffers one after the other. */
export interface ChunkSource {
  /** @returns bytes filled, and whether these were the last */
  fill(buffer: Buffer): Promise<{ length: number; done: boolean }>;
  /** Frees what is open. Called once, when no fill is under way. */
  close(): Promise<void>;
}

interface Pending {
  chunk: Chunk;
  compressed: Promise<number>;
}

/**
 * Reads a source and compresses it chunk by chunk, each a frame of its own, several at the same time, and
 * yields the frames in order. Reading and compressing go on while the consumer is busy, as far as the pool
 * has chunks. A yielded buffer is valid until the next one is asked for.
 */
export async function* compressChunks(
  source: ChunkSource,
  encoder: Encoder,
  pool: ChunkPool,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const queue: Pending[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  let failure: { error: unknown } | undefined;

  const produce = async () => {
    try {
      for (let done = false; !done; ) {
        const chunk = await pool.acquire(stopped);
        let filled: { length: number; done: boolean };
        try {
          filled = await source.fill(chunk.input);
          stopped.throwIfAborted();
        } catch (error) {
          pool.release(chunk);
          throw error;
        }
        done = filled.done;
        const compressed = encoder.compressFrame(chunk.input.subarray(0, filled.length), chunk.output);
        // It is awaited in its turn; until then nobody listens.
        compressed.catch(() => undefined);
        queue.push({ chunk, compressed });
        wake.resolve();
      }
    } catch (error) {
      failure = { error };
    } finally {
      ended = true;
      wake.resolve();
    }
  };

  const producer = produce();
  let shown: Pending | undefined;
  try {
    for (;;) {
      const next = queue.shift();
      if (next === undefined) {
        if (failure !== undefined) throw failure.error;
        if (ended) return;
        await wake.promise;
        wake = Promise.withResolvers<void>();
        continue;
      }
      shown = next;
      const length = await next.compressed;
      signal.throwIfAborted();
      yield next.chunk.output.subarray(0, length);
      shown = undefined;
      pool.release(next.chunk);
    }
  } finally {
    stop.abort();
    await producer;
    // Threads may still write into these buffers.
    for (const left of shown === undefined ? queue : [shown, ...queue]) {
      await left.compressed.catch(() => undefined);
      pool.release(left.chunk);
    }
    await source.close();
  }
}
