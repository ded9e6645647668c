import { createHash } from 'node:crypto';
import { formatSegmentName } from '../../src/wal/segment.ts';

export interface SegmentOptions {
  timeline?: number;
  /** Counted from LSN 0. */
  number?: number;
  /** Bytes, default 1 MiB. */
  size?: number;
  systemIdentifier?: bigint;
  magic?: number;
  /** Where a timeline ends inside the segment, oldest first: pages that begin before bear its number. */
  ancestors?: readonly { timeline: number; switchAt: number }[];
  /** Different seeds give different contents behind the first page's header. */
  seed?: string;
}

export const SYSTEM_IDENTIFIER = 7710593383332708988n;

/** Makes bytes that pass for a WAL segment: right page headers, nothing but noise for records. */
export function makeSegment(options: SegmentOptions = {}): { name: string; bytes: Buffer } {
  const { timeline = 1, number = 3, size = 2 ** 20, seed = '', ancestors = [] } = options;
  const { systemIdentifier = SYSTEM_IDENTIFIER, magic = 0xd110 } = options;
  const bytes = Buffer.alloc(size);
  const start = BigInt(number) * BigInt(size);
  for (let offset = 0; offset < size; offset += 8192) {
    const page = bytes.subarray(offset, offset + 8192);
    const noise = createHash('sha256').update(`${seed}/${offset}`).digest();
    for (let at = 64; at < 4096; at += noise.length) noise.copy(page, at);
    page.writeUInt16LE(magic, 0);
    page.writeUInt16LE(offset === 0 ? 2 : 0, 2);
    page.writeUInt32LE(ancestors.find(({ switchAt }) => offset < switchAt)?.timeline ?? timeline, 4);
    page.writeBigUInt64LE(start + BigInt(offset), 8);
  }
  bytes.writeBigUInt64LE(systemIdentifier, 24);
  bytes.writeUInt32LE(size, 32);
  bytes.writeUInt32LE(8192, 36);
  return { name: formatSegmentName({ timeline, number: BigInt(number) }, size), bytes };
}
