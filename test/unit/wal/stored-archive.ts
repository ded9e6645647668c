import { walKey } from '../../../src/wal/keys.ts';
import { formatSegmentName } from '../../../src/wal/segment.ts';
import { fromDate, type UnixMicros } from '../../../src/wal/timestamp.ts';
import type { BackupSpan } from '../../../src/wal/window.ts';
import { MemoryStore } from '../backup/memory-store.ts';
import type { WalWriter } from './wal-writer.ts';

/** 12:00 of some day, and minutes later. */
export function at(minutes: number): UnixMicros {
  return fromDate(new Date('2026-11-21T12:00:00Z')) + minutes * 60_000_000;
}

/** A WAL archive in memory. */
export class ArchiveFixture {
  readonly store = new MemoryStore();

  /** Stores a writer's segments, uncompressed, but those with these numbers. */
  addSegments(writer: WalWriter, { without = [] as bigint[], timeline = writer.timeline } = {}): this {
    for (const [number, bytes] of writer.segments()) {
      if (without.includes(number)) continue;
      this.store.objects.set(walKey(formatSegmentName({ timeline, number }, writer.segmentSize), ''), bytes);
    }
    return this;
  }

  /** Stores a WAL file as text: a history file. */
  addFile(name: string, text: string): this {
    this.store.objects.set(walKey(name, ''), Buffer.from(text));
    return this;
  }
}

export function makeBackup(
  name: string,
  startLsn: bigint,
  finishLsn: bigint,
  finishMinute: number,
  timeline = 1,
): BackupSpan {
  const finishTime = new Date(at(finishMinute) / 1000);
  return { name, timeline, startLsn, finishLsn, finishTime, usable: true };
}
