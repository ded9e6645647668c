import { WalWriter } from '../../wal/wal-writer.ts';

/** WAL of a base backup, with what its label and its stop say. */
export interface BackedUp {
  writer: WalWriter;
  startLsn: bigint;
  checkpointLsn: bigint;
  stopLsn: bigint;
  fromStandby: boolean;
}

/** Writes what a server writes during a backup, from 0/100000 on in segments of 1 MiB. Sizes are bytes. */
export function writeBackupWal({ before = 100, during = 100, noise = 0 } = {}): BackedUp {
  const writer = new WalWriter();
  const startLsn = writer.lsn;
  writer.record(21, 0, 0, Buffer.alloc(before, noise));
  const checkpoint = Buffer.alloc(88);
  checkpoint.writeBigUInt64LE(startLsn);
  const checkpointLsn = writer.record(0, 0x10, 0, checkpoint);
  writer.record(21, 0, 0, Buffer.alloc(during, noise));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(startLsn);
  const endLsn = writer.record(0, 0x50, 0, start);
  // A page's header may lie inside; a record that ends with its page ends where the next begins.
  const size = 24 + 2 + 8 + 6;
  const next = writer.lsn;
  const stopLsn = next % 8192n <= 40n ? next - (next % 8192n) : next;
  if (stopLsn < endLsn + BigInt(size)) throw new Error('the record of the end is not where it should be');
  writer.switchSegment();
  return { writer, startLsn, checkpointLsn, stopLsn, fromStandby: false };
}
