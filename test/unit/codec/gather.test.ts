import { expect, it } from 'vitest';
import { gather } from '../../../src/codec/gather.ts';
import { chunksOf, sampleBytes } from './samples.ts';

it.each([1, 100, 511, 512, 700, 1500, 10_000])('gather keeps every byte of chunks of %i', async (size) => {
  const bytes = sampleBytes(5003);
  const pieces: Buffer[] = [];
  for await (const piece of gather(chunksOf(bytes, size), 1024)) pieces.push(Buffer.from(piece));
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  expect(pieces.length).toBeLessThanOrEqual(10);
});
