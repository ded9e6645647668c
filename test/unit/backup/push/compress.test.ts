import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ChunkPool } from '../../../../src/backup/push/chunks.ts';
import { type ChunkSource, compressChunks } from '../../../../src/backup/push/compress.ts';
import type { Encoder } from '../../../../src/codec/codec.ts';

const signal = new AbortController().signal;

/** Copies; later chunks are ready before earlier ones. */
function reversing(): Encoder & { running: number; most: number } {
  const encoder = {
    name: 'none' as const,
    extension: '',
    running: 0,
    most: 0,
    bound: (length: number) => length,
    decompress: () => {
      throw new Error('not needed');
    },
    async compressFrame(input: Uint8Array, output: Buffer) {
      encoder.running++;
      encoder.most = Math.max(encoder.most, encoder.running);
      await sleep(input[0]! % 2 === 0 ? 4 : 1);
      output.set(input);
      encoder.running--;
      return input.length;
    },
  };
  return encoder;
}

/** Chunks of one byte: 0, 1, 2 … */
function counting(count: number, failAt = -1): ChunkSource & { closed: number } {
  let next = 0;
  return {
    closed: 0,
    async fill(buffer) {
      if (next === failAt) throw new Error('disk');
      buffer[0] = next++;
      return { length: 1, done: next === count };
    },
    async close() {
      this.closed++;
    },
  };
}

async function collect(frames: AsyncIterable<Buffer>): Promise<number[]> {
  const all: number[] = [];
  for await (const frame of frames) all.push(...frame);
  return all;
}

describe('compressChunks', () => {
  it('yields frames in order while several are compressed', async () => {
    const encoder = reversing();
    const source = counting(30);
    expect(await collect(compressChunks(source, encoder, new ChunkPool(4, 16), signal))).toEqual([
      ...Array(30).keys(),
    ]);
    expect(encoder.most).toBeGreaterThan(1);
    expect(encoder.most).toBeLessThanOrEqual(4);
    expect(source.closed).toBe(1);
  });

  it('serves many at once from one small pool', async () => {
    const pool = new ChunkPool(3, 16);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => collect(compressChunks(counting(10), reversing(), pool, signal))),
    );
    for (const one of all) expect(one).toEqual([...Array(10).keys()]);
  });

  it('throws on what the source throws, and gives all chunks back', async () => {
    const pool = new ChunkPool(2, 16);
    const source = counting(30, 5);
    await expect(collect(compressChunks(source, reversing(), pool, signal))).rejects.toThrow('disk');
    expect(source.closed).toBe(1);
    expect(await collect(compressChunks(counting(5), reversing(), pool, signal))).toEqual([0, 1, 2, 3, 4]);
  });

  it('waits for the threads when the consumer gives up', async () => {
    const pool = new ChunkPool(3, 16);
    const encoder = reversing();
    const source = counting(30);
    for await (const _ of compressChunks(source, encoder, pool, signal)) break;
    expect(encoder.running).toBe(0);
    expect(source.closed).toBe(1);
    expect(await collect(compressChunks(counting(5), encoder, pool, signal))).toEqual([0, 1, 2, 3, 4]);
  });

  it('stops on the signal, also while it waits for a chunk', async () => {
    const pool = new ChunkPool(1, 16);
    const held = await pool.acquire(signal);
    const stop = new AbortController();
    const collecting = collect(compressChunks(counting(3), reversing(), pool, stop.signal));
    stop.abort(new Error('enough'));
    await expect(collecting).rejects.toThrow('enough');
    pool.release(held);
    expect(await collect(compressChunks(counting(3), reversing(), pool, signal))).toEqual([0, 1, 2]);
  });
});
