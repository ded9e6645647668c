import { describe, expect, it } from 'vitest';
import { findWrongSegment } from '../../../src/backup/wal-of-backup.ts';
import { MemoryStore } from './memory-store.ts';
import { type BackedUp, writeBackupWal } from './push/backup-wal.ts';

const signal = new AbortController().signal;

async function find({ writer, ...wanted }: BackedUp) {
  const store = new MemoryStore();
  for (const [number, bytes] of writer.segments()) {
    await store.put(`wal_005/00000001000000000000000${number}`, bytes);
  }
  return await findWrongSegment(store, { ...wanted, timeline: 1, segmentSize: 2 ** 20 }, signal);
}

describe('findWrongSegment', () => {
  it('finds the checkpoint and the end, also over the border of segments', async () => {
    expect(await find(writeBackupWal())).toBeUndefined();
    expect(await find(writeBackupWal({ during: 3 * 2 ** 20 }))).toBeUndefined();
    for (let left = 8; left <= 160; left += 8) {
      expect(await find(writeBackupWal({ before: 2 ** 20 - left }))).toBeUndefined();
      expect(await find(writeBackupWal({ during: 2 ** 20 - left }))).toBeUndefined();
    }
  });

  it('misses the checkpoint in WAL that has another record there, or ends before', async () => {
    const ours = writeBackupWal();
    const name = '000000010000000000000001';
    const reason = expect.stringContaining('no checkpoint record at 0/');
    expect(await find({ ...ours, startLsn: ours.startLsn + 8n })).toEqual({ segment: name, reason });
    const { writer } = writeBackupWal({ before: 500 });
    expect(await find({ ...ours, writer })).toEqual({ segment: name, reason });
    expect(await find({ ...ours, checkpointLsn: 0x180000n, stopLsn: 0x180100n })).toEqual({
      segment: name,
      reason,
    });
    expect(await find({ ...ours, checkpointLsn: 0x500000n, stopLsn: 0x500100n })).toMatchObject({ reason });
  });

  it('misses the end of a primary’s backup; a standby’s has no record', async () => {
    const ours = writeBackupWal({ during: 2 ** 20 });
    const { writer } = writeBackupWal({ during: 2 ** 20 + 64 });
    expect(await find({ ...ours, writer })).toEqual({
      segment: '000000010000000000000002',
      reason: expect.stringContaining("no record of the backup's end at 0/"),
    });
    expect(await find({ ...ours, writer, fromStandby: true })).toBeUndefined();
  });
});
