import { describe, expect, it } from 'vitest';
import { checkSegment } from '../../../src/wal/check-segment.ts';
import { classifyWalFile, type WalFile } from '../../../src/wal/file-name.ts';
import { makeSegment, type SegmentOptions, SYSTEM_IDENTIFIER } from '../../support/wal-segment.ts';

type SegmentFile = Extract<WalFile, { segmentName: string }>;

function check(name: string, bytes: Buffer): unknown {
  return checkSegment(classifyWalFile(name) as SegmentFile, bytes.length, bytes.subarray(0, 8192));
}

describe('checkSegment', () => {
  it.each<SegmentOptions>([
    {},
    { number: 0x1234 },
    { size: 2 ** 24, number: 0x1ff },
    { magic: 0xd106 },
    { magic: 0xd118 },
    { timeline: 7 },
  ])('accepts a segment: %j', (options) => {
    const { name, bytes } = makeSegment(options);
    const { timeline = 1, number = 3 } = options;
    expect(check(name, bytes)).toEqual({
      timeline,
      start: BigInt(number * bytes.length),
      systemIdentifier: SYSTEM_IDENTIFIER,
      segmentSize: bytes.length,
      blockSize: 8192,
    });
    expect(() => check(`${name}.partial`, bytes)).not.toThrow();
  });

  it('tells that a segment begins with an older timeline', () => {
    const { name, bytes } = makeSegment({ timeline: 2, ancestors: [{ timeline: 1, switchAt: 8192 }] });
    expect(check(name, bytes)).toMatchObject({ timeline: 1, start: 0x300000n });
  });

  it.each([1024, 8192, 65536])('accepts pages of %i bytes', (size) => {
    const { name, bytes } = makeSegment();
    bytes.writeUInt32LE(size, 36);
    expect(check(name, bytes)).toMatchObject({ blockSize: size });
  });

  const { name, bytes } = makeSegment({ number: 3 });
  const changed = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  it.each<[string, Buffer, string, string?]>([
    ['empty', Buffer.alloc(0), 'it is empty'],
    ['a few bytes', bytes.subarray(0, 20), 'only 20 bytes'],
    ['short', bytes.subarray(0, 2 ** 19), 'it has 524288 bytes, and its header says 1048576'],
    ['long', Buffer.concat([bytes, bytes]), 'it has 2097152 bytes'],
    ['zeros', Buffer.alloc(2 ** 20), 'begins with zeros'],
    ['another magic', changed((b) => b.writeUInt16LE(0x1234, 0)), '0x1234'],
    ['unknown flags', changed((b) => b.writeUInt16LE(0xff02, 2)), 'page magic'],
    ['no long header', changed((b) => b.writeUInt16LE(0, 2)), 'no long header'],
    ['odd segment size', changed((b) => b.writeUInt32LE(2 ** 20 + 8192, 32)), 'impossible segment size'],
    ['pages of no bytes', changed((b) => b.writeUInt32LE(0, 36)), 'impossible page size, 0 bytes'],
    ['pages of odd bytes', changed((b) => b.writeUInt32LE(8193, 36)), 'impossible page size'],
    ['tiny pages', changed((b) => b.writeUInt32LE(512, 36)), 'impossible page size'],
    ['huge pages', changed((b) => b.writeUInt32LE(2 ** 17, 36)), 'impossible page size'],
    ['the next one', makeSegment({ number: 4 }).bytes, 'its first page is that of LSN 0/400000'],
    ['a later timeline', changed((b) => b.writeUInt32LE(2, 4)), 'of timeline 2'],
    ['no timeline', changed((b) => b.writeUInt32LE(0, 4)), 'of timeline 0'],
    [
      'a name of smaller segments',
      makeSegment({ size: 2 ** 24 }).bytes,
      'no segment of that name',
      '000000010000000000000FFF',
    ],
  ])('refuses %s', (_, wrong, why, under = name) => {
    expect(() => check(under, wrong)).toThrow(why);
  });
});
