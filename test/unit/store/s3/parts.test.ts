import { expect, test } from 'vitest';
import { CHUNK_SIZE, ChunkPool } from '../../../../src/backup/push/chunks.ts';
import { compressChunks } from '../../../../src/backup/push/compress.ts';
import { none } from '../../../../src/codec/none.ts';
import { makeBufferPool } from '../../../../src/store/s3/buffer-pool.ts';
import { largestStream, MAX_PARTS, PART_BYTES, partSize } from '../../../../src/store/s3/part-size.ts';
import { cutIntoParts } from '../../../../src/store/s3/parts.ts';

const MIB = 1024 * 1024;

test('parts grow so that huge streams fit', () => {
  expect([1, 1000, 1001, 2001, 3001, MAX_PARTS].map((number) => partSize(number) / MIB)).toEqual([
    8, 8, 16, 32, 64, 64,
  ]);
  expect(largestStream()).toBeGreaterThan(490 * 1024 * MIB);
});

const GIB = 1024 * MIB;

test.each([
  [1, 8],
  [8 * GIB, 8],
  [70 * GIB, 8],
  [100 * GIB, 12],
  [400 * GIB, 46],
  [600 * GIB, 64],
])('parts of a stream of at most %d bytes have one size, %d MiB', (expected, size) => {
  const count = Math.ceil(expected / (size * MIB));
  expect(count).toBeLessThan(MAX_PARTS);
  expect(new Set([1, 1001, 5000, count].map((number) => partSize(number, expected)))).toEqual(
    new Set([size * MIB]),
  );
  // Should it be a little more after all, or much: there is room.
  expect(largestStream(expected)).toBeGreaterThan(Math.max(130 * GIB, expected * 1.04));
});

async function cut(sizes: number[], expected?: number): Promise<{ length: number; isLast: boolean }[]> {
  const pool = makeBufferPool(2 * PART_BYTES, PART_BYTES);
  const parts = [];
  async function* source() {
    for (const size of sizes) yield new Uint8Array(size);
  }
  for await (const part of cutIntoParts(source(), pool, 'x', new AbortController().signal, expected)) {
    parts.push({ length: part.bytes.length, isLast: part.isLast });
    pool.give(part.buffer);
  }
  return parts;
}

test.each([
  [[], [0]],
  [[1], [1]],
  [[PART_BYTES], [PART_BYTES]],
  [[PART_BYTES, 0, 0], [PART_BYTES]],
  [
    [PART_BYTES, 1],
    [PART_BYTES, 1],
  ],
  [
    [PART_BYTES - 1, 2],
    [PART_BYTES, 1],
  ],
  [[20 * MIB], [PART_BYTES, PART_BYTES, 4 * MIB]],
])('chunks of %j become parts of %j', async (sizes, expected) => {
  const parts = await cut(sizes);
  expect(parts.map(({ length }) => length)).toEqual(expected);
  expect(parts.map(({ isLast }) => isLast)).toEqual(expected.map((_, i) => i === expected.length - 1));
});

test('what is known of a stream beforehand makes its parts larger', async () => {
  const parts = await cut([20 * MIB], 100 * GIB);
  expect(parts.map(({ length }) => length)).toEqual([12 * MIB, 8 * MIB]);
});

test('the pool hands out no more than its limit, in turn, and reuses', async () => {
  const pool = makeBufferPool(20, 10);
  const first = await pool.take(10);
  const second = await pool.take(10);
  const order: string[] = [];
  const large = pool.take(15).then((buffer) => {
    order.push('large');
    return buffer;
  });
  const small = pool.take(10).then((buffer) => {
    order.push('small');
    return buffer;
  });
  pool.give(first);
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  pool.give(second);
  const taken = await large;
  expect(taken).toHaveLength(15);
  expect(order).toEqual(['large']);
  pool.give(taken);
  expect([first, second]).toContain(await small);
});

test('one larger than the limit is given alone', async () => {
  const pool = makeBufferPool(20, 10);
  const large = await pool.take(50);
  const small = pool.take(10);
  pool.give(large);
  expect(await small).toHaveLength(10);
});

test('who waits can be told to stop', async () => {
  const pool = makeBufferPool(10, 10);
  const first = await pool.take(10);
  const controller = new AbortController();
  const waiting = pool.take(10, controller.signal);
  const next = pool.take(10);
  controller.abort(new Error('interrupted'));
  await expect(waiting).rejects.toThrow('interrupted');
  pool.give(first);
  expect(await next).toBe(first);
});

test('streams that share their chunks as well never wait for each other for ever', async () => {
  // One buffer less than streams, fewer chunks than streams; parts of 8 MiB are sent one turn of the loop later.
  const pool = makeBufferPool(3 * PART_BYTES, PART_BYTES);
  const chunks = new ChunkPool(3, CHUNK_SIZE);
  const { signal } = new AbortController();
  const encoder = {
    ...none,
    bound: (length: number) => length,
    compressFrame: async (input: Uint8Array, output: Buffer) => output.set(input) ?? input.length,
  };
  const stream = async () => {
    let left = 12;
    const source = { fill: async () => ({ length: CHUNK_SIZE, done: --left === 0 }), close: async () => {} };
    let bytes = 0;
    for await (const part of cutIntoParts(
      compressChunks(source, encoder, chunks, signal),
      pool,
      'x',
      signal,
    )) {
      bytes += part.bytes.length;
      setImmediate(() => pool.give(part.buffer));
    }
    return bytes;
  };
  const sizes = await Promise.all(Array.from({ length: 6 }, stream));
  expect(sizes).toEqual(Array.from({ length: 6 }, () => 12 * CHUNK_SIZE));
});

test('a next part comes before first ones, and over the limit when no part is on its way', async () => {
  const pool = makeBufferPool(20, 10);
  const sent = await pool.take(10);
  const filling = await pool.take(10);
  const order: string[] = [];
  const first = pool.take(10).then((buffer) => {
    order.push('first');
    return buffer;
  });
  pool.send(sent);
  const next = pool.takeNext(10).then((buffer) => {
    order.push('next');
    return buffer;
  });
  await Promise.resolve();
  expect(order).toEqual([]);
  pool.give(sent);
  await next;
  expect(order).toEqual(['next']);
  const over = await pool.takeNext(10);
  for (const buffer of [filling, over, await next]) pool.give(buffer);
  await first;
  expect(order).toEqual(['next', 'first']);
});
