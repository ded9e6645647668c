import { describe, expect, it } from 'vitest';
import { hasKnownFlags, isSegmentSize, isWalMagic, parsePageHeader } from '../../../src/wal/page-header.ts';

/** First 40 bytes of 000000010000000000000002, written by PostgreSQL 15. */
const LONG = Buffer.from(
  '10d1020001000000000000020000000000000000000000004c7df82e29790f6b0000000100200000',
  'hex',
);

describe('parsePageHeader', () => {
  it('reads a long header', () => {
    expect(parsePageHeader(LONG)).toEqual({
      magic: 0xd110,
      info: 2,
      timeline: 1,
      pageAddress: 0x2000000n,
      remainingLength: 0,
      long: { systemIdentifier: 0x6b0f79292ef87d4cn, segmentSize: 16 * 2 ** 20, blockSize: 8192 },
    });
  });

  it('reads a short header, whose flags may say that a record goes on', () => {
    const page = Buffer.from(LONG.subarray(0, 24));
    page.writeUInt16LE(1, 2);
    page.writeUInt32LE(77, 16);
    expect(parsePageHeader(page)).toMatchObject({ info: 1, remainingLength: 77, long: undefined });
  });

  it('refuses what is too short', () => {
    expect(parsePageHeader(LONG.subarray(0, 23))).toBeUndefined();
    expect(parsePageHeader(LONG.subarray(0, 39))).toBeUndefined();
  });
});

it('knows magics, flags and segment sizes', () => {
  expect([0xd106, 0xd118, 0xd093, 0xd120].every(isWalMagic)).toBe(true);
  expect([0, 0x10d1, 0x1d110, 0xd210].some(isWalMagic)).toBe(false);
  const header = parsePageHeader(LONG);
  expect(header && hasKnownFlags(header)).toBe(true);
  expect(header && hasKnownFlags({ ...header, info: 0x8002 })).toBe(false);
  expect([2 ** 20, 2 ** 24, 2 ** 30].every(isSegmentSize)).toBe(true);
  expect([0, 2 ** 19, 2 ** 31, 3 * 2 ** 20, 2 ** 20 + 1].some(isSegmentSize)).toBe(false);
});
