/**
 * Checksums of data pages (storage/checksum_impl.h): 32 interleaved FNV-1a sums over the page's words, two
 * rounds of zeros, folded together with the block's number. Written for speed: eight columns at a time fit
 * the registers, and nothing is allocated while pages are good. In memory of page-memory.ts, good pages are passed
 * over eight times as fast.
 */

import { counterOf } from './page-memory.ts';

/** A page whose checksum is not that of its content. */
export interface BadPage {
  /** Within the relation, as `firstBlock` counts. */
  block: number;
  /** Checksum of the content. */
  expected: number;
  /** The one in the page. */
  found: number;
}

const PRIME = 16777619;
const COLUMNS = 32;

/** checksumBaseOffsets */
const OFFSETS = Int32Array.from(
  [
    0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
    0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
    0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
    0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
  ],
  (offset) => offset | 0,
);

/** Word of PageHeaderData with pd_checksum in its low half (bufpage.h). */
const CHECKSUM_WORD = 2;
const CHECKSUM_MASK = 0xffff;
/** Word with pd_upper in its high half. */
const UPPER_WORD = 3;

/**
 * Checks pages of a relation file from block `firstBlock` of the relation (a file of its own counts on: 1 GiB
 * files hold 131072 blocks each). A new page (pd_upper 0) has no checksum and must be all zeros, as
 * PostgreSQL demands when it reads one. Bytes behind the last whole page are not looked at; whether a bad
 * page is torn, or newer than the backup, is the caller's to find out by its LSN.
 * @param buffer starts at a multiple of four bytes in its memory
 * @param blockSize bytes, as in pg_control
 */
export function findBadPages(buffer: Uint8Array, firstBlock: number, blockSize = 8192): BadPage[] {
  const pages = Math.floor(buffer.length / blockSize);
  const wordsPerPage = blockSize / 4;
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, pages * wordsPerPage);
  const countGood = counterOf(buffer.buffer);
  let bad: BadPage[] | undefined;
  for (let page = 0; page < pages; page++) {
    if (countGood !== undefined) {
      const offset = buffer.byteOffset + page * blockSize;
      page += countGood(offset, pages - page, firstBlock + page, blockSize);
      if (page === pages) break;
    }
    const at = page * wordsPerPage;
    if (words[at + UPPER_WORD]! >>> 16 === 0 && isZero(words, at, wordsPerPage)) continue;
    const block = firstBlock + page;
    const expected = sumPage(words, at, wordsPerPage, block);
    const found = words[at + CHECKSUM_WORD]! & CHECKSUM_MASK;
    if (found === expected && words[at + UPPER_WORD]! >>> 16 !== 0) continue;
    bad ??= [];
    bad.push({ block, expected, found });
  }
  return bad ?? [];
}

/**
 * Checksum of a page, pg_checksum_page. The page is only read, never changed while it is summed, since
 * another thread may be reading it as well.
 */
function sumPage(words: Int32Array, start: number, wordsPerPage: number, block: number): number {
  const rows = wordsPerPage / COLUMNS;
  let result = 0;
  for (let column = 0; column < COLUMNS; column += 8) {
    let at = start + column;
    let t = OFFSETS[column]! ^ words[at]!;
    let a = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 1]! ^ words[at + 1]!;
    let b = Math.imul(t, PRIME) ^ (t >>> 17);
    // The checksum itself counts as zero.
    t = OFFSETS[column + 2]! ^ (column === 0 ? words[at + CHECKSUM_WORD]! & ~CHECKSUM_MASK : words[at + 2]!);
    let c = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 3]! ^ words[at + 3]!;
    let d = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 4]! ^ words[at + 4]!;
    let e = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 5]! ^ words[at + 5]!;
    let f = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 6]! ^ words[at + 6]!;
    let g = Math.imul(t, PRIME) ^ (t >>> 17);
    t = OFFSETS[column + 7]! ^ words[at + 7]!;
    let h = Math.imul(t, PRIME) ^ (t >>> 17);
    for (let row = 1; row < rows; row++) {
      at += COLUMNS;
      t = a ^ words[at]!;
      a = Math.imul(t, PRIME) ^ (t >>> 17);
      t = b ^ words[at + 1]!;
      b = Math.imul(t, PRIME) ^ (t >>> 17);
      t = c ^ words[at + 2]!;
      c = Math.imul(t, PRIME) ^ (t >>> 17);
      t = d ^ words[at + 3]!;
      d = Math.imul(t, PRIME) ^ (t >>> 17);
      t = e ^ words[at + 4]!;
      e = Math.imul(t, PRIME) ^ (t >>> 17);
      t = f ^ words[at + 5]!;
      f = Math.imul(t, PRIME) ^ (t >>> 17);
      t = g ^ words[at + 6]!;
      g = Math.imul(t, PRIME) ^ (t >>> 17);
      t = h ^ words[at + 7]!;
      h = Math.imul(t, PRIME) ^ (t >>> 17);
    }
    for (let round = 0; round < 2; round++) {
      a = Math.imul(a, PRIME) ^ (a >>> 17);
      b = Math.imul(b, PRIME) ^ (b >>> 17);
      c = Math.imul(c, PRIME) ^ (c >>> 17);
      d = Math.imul(d, PRIME) ^ (d >>> 17);
      e = Math.imul(e, PRIME) ^ (e >>> 17);
      f = Math.imul(f, PRIME) ^ (f >>> 17);
      g = Math.imul(g, PRIME) ^ (g >>> 17);
      h = Math.imul(h, PRIME) ^ (h >>> 17);
    }
    result ^= a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
  }
  return (((result ^ block) >>> 0) % 65535) + 1;
}

function isZero(words: Int32Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) if (words[at] !== 0) return false;
  return true;
}
