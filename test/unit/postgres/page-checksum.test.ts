import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileWat } from '../../../scripts/compile-wat.ts';
import { findBadPages } from '../../../src/postgres/page-checksum.ts';
import { PAGE_CHECKSUM_CODE } from '../../../src/postgres/page-checksum-code.ts';
import { counterOf, makePageMemory } from '../../../src/postgres/page-memory.ts';

/** Four heap pages as PostgreSQL 15 wrote them, blocks 0 to 3 of their relation. */
const HEAP = readFileSync(join(import.meta.dirname, '../../fixtures/pages/heap'));
const PAGE = 8192;

const MEMORY = {
  'ordinary memory': new ArrayBuffer(HEAP.length),
  'page memory': makePageMemory(HEAP.length),
};

describe.each(Object.entries(MEMORY))('findBadPages in %s', (_, memory) => {
  function pages(): Buffer {
    const buffer = Buffer.from(memory, 0, HEAP.length);
    HEAP.copy(buffer);
    return buffer;
  }

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

describe('page memory', () => {
  it('has the code of page-checksum.wat', async () => {
    const wat = readFileSync(join(import.meta.dirname, '../../../src/postgres/page-checksum.wat'), 'utf8');
    expect(PAGE_CHECKSUM_CODE).toBe(Buffer.from(await compileWat(wat)).toString('base64'));
    expect(counterOf(MEMORY['page memory'])).toBeDefined();
    expect(counterOf(MEMORY['ordinary memory'])).toBeUndefined();
  });

  it('counts the good pages before a bad one and before a new one', () => {
    const buffer = Buffer.from(MEMORY['page memory'], 0, HEAP.length);
    HEAP.copy(buffer);
    const count = counterOf(buffer.buffer)!;
    expect(count(0, 4, 0, PAGE)).toBe(4);
    expect(count(PAGE, 3, 1, PAGE)).toBe(3);
    buffer[2 * PAGE + 100]! ^= 1;
    expect(count(0, 4, 0, PAGE)).toBe(2);
    buffer.fill(0, PAGE, 2 * PAGE);
    expect(count(0, 4, 0, PAGE)).toBe(1);
  });
});
