import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBadPages } from '../../../src/postgres/page-checksum.ts';

/** Four heap pages as PostgreSQL 15 wrote them, blocks 0 to 3 of their relation. */
const HEAP = readFileSync(join(import.meta.dirname, '../../fixtures/pages/heap'));
const PAGE = 8192;

function pages(): Buffer {
  const aligned = Buffer.from(new ArrayBuffer(HEAP.length));
  HEAP.copy(aligned);
  return aligned;
}

describe('findBadPages', () => {
  it('accepts what PostgreSQL wrote, without changing it', () => {
    const buffer = pages();
    expect(findBadPages(buffer, 0)).toEqual([]);
    expect(findBadPages(buffer.subarray(PAGE), 1)).toEqual([]);
    expect(buffer.equals(HEAP)).toBe(true);
  });

  it('finds any flipped bit', () => {
    for (let at = 0; at < PAGE; at += 13) {
      const buffer = pages();
      buffer[PAGE + at]! ^= 0x04;
      expect(
        findBadPages(buffer, 0).map((page) => page.block),
        `byte ${at}`,
      ).toEqual([1]);
    }
  });

  it('tells the checksum found and the one expected', () => {
    const buffer = pages();
    const expected = buffer.readUInt16LE(2 * PAGE + 8);
    buffer.writeUInt16LE(expected ^ 0xffff, 2 * PAGE + 8);
    expect(findBadPages(buffer, 0)).toEqual([{ block: 2, expected, found: expected ^ 0xffff }]);
  });

  it('finds pages in the wrong place', () => {
    expect(findBadPages(pages(), 131_072)).toHaveLength(4);
    const buffer = pages();
    HEAP.copy(buffer, 0, PAGE, 2 * PAGE);
    expect(findBadPages(buffer, 0).map((page) => page.block)).toEqual([0]);
  });

  it('accepts new pages only when they are all zeros', () => {
    const buffer = pages();
    buffer.fill(0, PAGE, 2 * PAGE);
    expect(findBadPages(buffer, 0)).toEqual([]);
    buffer[2 * PAGE - 1] = 1;
    expect(findBadPages(buffer, 0).map((page) => page.block)).toEqual([1]);
  });

  it('leaves half a page at the end alone', () => {
    expect(findBadPages(pages().subarray(0, PAGE + 100), 0)).toEqual([]);
  });
});
