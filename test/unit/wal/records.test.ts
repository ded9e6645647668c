import { describe, expect, it } from 'vitest';
import { WalReader, type WalRecord } from '../../../src/wal/records.ts';
import { parseRestorePoint, parseTransactionEnd } from '../../../src/wal/transaction-records.ts';
import { WalWriter } from './wal-writer.ts';

const PAGE = 8192;
const MINUTE = 1_800_000_000_000_000;

/** Pushes pages from the segments, beginning with the page `from`. */
function read(pages: Buffer, start: bigint, options: { limit?: bigint } = {}) {
  const records: WalRecord[] = [];
  const reader = new WalReader({
    start,
    segmentSize: 2 ** 20,
    limit: options.limit,
    wants: () => true,
    onRecord: (record) => records.push({ ...record, body: Buffer.from(record.body) }),
  });
  for (let at = 0; at < pages.length; at += PAGE) reader.pushPage(pages.subarray(at, at + PAGE));
  return { reader, records };
}

function bytesOf(writer: WalWriter): Buffer {
  return Buffer.concat([...writer.segments().values()]);
}

describe('WalReader', () => {
  it('follows records across pages and segments', () => {
    const writer = new WalWriter();
    const lsns = [writer.fill(100), writer.fill(20_000), writer.commit(5, MINUTE), writer.fill(3 * 2 ** 20)];
    lsns.push(writer.commit(6, MINUTE + 1));
    const { reader, records } = read(bytesOf(writer), 0x100000n);
    expect(records.map((record) => record.lsn)).toEqual(lsns);
    expect(records[3]!.body.length).toBe(3 * 2 ** 20 + 5);
    expect(reader.lastLsn).toBe(lsns.at(-1));
    expect(reader.endLsn).toBe(writer.lsn);
    expect(reader.ended).toBe('zeros');
  });

  it('reads a header that is split between two pages', () => {
    for (let filler = 0; filler < 64; filler += 8) {
      const writer = new WalWriter();
      writer.fill(PAGE - 40 - 24 - 5 - 64 + filler);
      const lsn = writer.commit(9, MINUTE);
      writer.commit(10, MINUTE);
      const { records } = read(bytesOf(writer), 0x100000n);
      expect(records.map((record) => record.xid)).toEqual([0, 9, 10]);
      expect(records[1]!.lsn).toBe(lsn);
      expect(parseTransactionEnd(records[1]!)?.time).toBe(MINUTE);
    }
  });

  it('begins behind a record that began earlier', () => {
    const writer = new WalWriter();
    writer.fill(20_000);
    const lsn = writer.commit(5, MINUTE);
    const { records } = read(bytesOf(writer).subarray(PAGE), 0x100000n + BigInt(PAGE));
    expect(records.map((record) => record.lsn)).toEqual([lsn]);
  });

  it('passes over the rest of a segment after a switch', () => {
    const writer = new WalWriter();
    writer.switchSegment();
    const lsn = writer.commit(5, MINUTE);
    const { records, reader } = read(bytesOf(writer), 0x100000n);
    expect(records[0]!.endLsn).toBe(0x200000n);
    expect(records[1]!.lsn).toBe(lsn);
    expect(lsn).toBe(0x200028n);
    expect(reader.endLsn).toBe(writer.lsn);
  });

  it('stops where other records show through', () => {
    const old = new WalWriter();
    for (let i = 0; i < 2000; i++) old.commit(i, MINUTE);
    const writer = new WalWriter();
    for (let i = 0; i < 100; i++) writer.commit(i, MINUTE);
    writer.fill(80);
    const bytes = bytesOf(old);
    bytesOf(writer).copy(bytes, 0, 0, Number(writer.lsn - 0x100000n));
    expect(read(bytes, 0x100000n).reader.endLsn).toBe(writer.lsn);
  });

  it('stops at damage and at a page of another address', () => {
    const writer = new WalWriter();
    const lsns = Array.from({ length: 1000 }, (_, i) => writer.commit(i, MINUTE));
    const flipped = bytesOf(writer);
    flipped[Number(lsns[600]! - 0x100000n) + 30]! ^= 1;
    expect(read(flipped, 0x100000n).reader).toMatchObject({ lastLsn: lsns[599], ended: 'wrong checksum' });

    const moved = bytesOf(writer);
    moved.writeBigUInt64LE(0x900000n, PAGE + 8);
    expect(read(moved, 0x100000n).reader.ended).toBe('page of another address');
  });

  it('drops a record that was given up after a crash', () => {
    const writer = new WalWriter();
    writer.fill(PAGE - 200);
    const kept = writer.commit(1, MINUTE);
    writer.fill(20_000);
    const bytes = bytesOf(writer);
    // On the page after, PostgreSQL begins anew and says so.
    const page = Buffer.from(bytes.subarray(PAGE, 2 * PAGE));
    page.writeUInt16LE(8, 2);
    page.writeUInt32LE(0, 16);
    page.fill(0, 24);
    page.copy(bytes, PAGE);
    const { reader } = read(bytes, 0x100000n);
    expect(reader.lastLsn).toBe(kept);
    expect(reader.ended).toBe('zeros');
  });

  it('stops at a limit inside a segment', () => {
    const writer = new WalWriter();
    const first = writer.commit(1, MINUTE);
    const limit = writer.lsn;
    writer.commit(2, MINUTE);
    expect(read(bytesOf(writer), 0x100000n, { limit }).reader).toMatchObject({
      lastLsn: first,
      endLsn: limit,
    });
  });
});

describe('transaction records', () => {
  it('reads times, transactions and names', () => {
    const writer = new WalWriter();
    writer.commit(700, MINUTE + 1);
    writer.abort(701, MINUTE + 2);
    writer.commitPrepared(702, MINUTE + 3);
    writer.restorePoint('before the märz', MINUTE + 4);
    const { records } = read(bytesOf(writer), 0x100000n);
    expect(records.map(parseTransactionEnd).slice(0, 3)).toMatchObject([
      { kind: 'commit', xid: 700, time: MINUTE + 1 },
      { kind: 'abort', xid: 701, time: MINUTE + 2 },
      { kind: 'commit', xid: 702, time: MINUTE + 3 },
    ]);
    expect(parseRestorePoint(records[3]!)).toMatchObject({ name: 'before the märz', time: MINUTE + 4 });
    expect(parseRestorePoint(records[0]!)).toBeUndefined();
  });
});
