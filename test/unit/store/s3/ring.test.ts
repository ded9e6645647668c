import { describe, expect, test } from 'vitest';
import { borrowRing } from '../../../../src/store/s3/ring.ts';

const MIB = 1024 * 1024;

function numbered(from: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (from + index) % 251));
}

describe('ring', () => {
  test('hands out what was written, in order, round and round', () => {
    const ring = borrowRing(10 * MIB);
    let written = 0;
    let read = 0;
    while (read < 9 * MIB) {
      const chunk = numbered(written, 300_001);
      written += ring.write(chunk);
      const part = ring.read();
      expect(part.equals(numbered(read, part.length))).toBe(true);
      read += part.length;
      ring.release(part.length);
    }
    ring.giveBack();
  });

  test('takes no more than fits, and what is read fits again only once it is released', () => {
    const ring = borrowRing(100);
    expect(ring.write(numbered(0, 70))).toBe(70);
    expect(ring.write(numbered(70, 70))).toBe(30);
    expect(ring.length).toBe(100);
    const part = ring.read();
    expect(ring.write(numbered(0, 1))).toBe(0);
    ring.release(part.length);
    expect(ring.length).toBe(100 - part.length);
    expect(ring.write(numbered(100, 1))).toBe(1);
  });

  test('leaves room for what arrives while a part is being read', () => {
    const ring = borrowRing(10 * MIB);
    expect(ring.write(Buffer.alloc(2 * MIB))).toBe(2 * MIB);
    expect(ring.read().length).toBeLessThan(MIB);
    ring.giveBack();
  });

  test('of an empty body has nothing', () => {
    const ring = borrowRing(0);
    expect(ring.write(Buffer.alloc(1))).toBe(0);
    expect(ring.read()).toHaveLength(0);
  });
});
