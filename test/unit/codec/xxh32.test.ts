import { expect, it } from 'vitest';
import { Xxh32, xxh32 } from '../../../src/codec/xxh32.ts';
import { sampleBytes } from './samples.ts';

it.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
])('xxh32 of %j', (text, hash) => expect(xxh32(Buffer.from(text))).toBe(hash));

it('Xxh32 does not care how the bytes come', () => {
  const bytes = sampleBytes(10_000);
  const whole = xxh32(bytes);
  for (const size of [1, 3, 16, 17, 4097]) {
    const hash = new Xxh32();
    for (let at = 0; at < bytes.length; at += size) hash.update(bytes.subarray(at, at + size));
    expect(hash.digest(), `pieces of ${size}`).toBe(whole);
  }
});
