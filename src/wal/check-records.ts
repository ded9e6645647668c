import type { FileHandle } from 'node:fs/promises';
import type { Lsn } from '../postgres/lsn.ts';
import { parsePageHeader } from './page-header.ts';
import { readExactly } from './read-exactly.ts';

/** Bytes read at a time; a multiple of every XLOG_BLCKSZ. */
const CHUNK_SIZE = 1024 * 1024;

/**
 * Finds where valid WAL ends in the segment that `handle` holds: the CRC of every record is compared, which
 * PostgreSQL would do only to take the first wrong one for the end of WAL.
 * @param size bytes of the segment, whose first page has been checked
 * @returns the end of the last good record, or undefined when WAL goes on to the end of the segment
 */
export async function findEndOfRecords(handle: FileHandle, size: number): Promise<Lsn | undefined> {
  const { WalReader } = await import('./records.ts');
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_SIZE, size));
  await readExactly(handle, chunk, 0);
  const first = parsePageHeader(chunk);
  if (first?.long === undefined) return undefined;
  const { pageAddress, long } = first;
  const reader = new WalReader({
    start: pageAddress,
    segmentSize: size,
    wants: () => false,
    onRecord: () => undefined,
  });
  for (let offset = 0; offset < size; offset += chunk.length) {
    if (offset > 0) await readExactly(handle, chunk, offset);
    for (let page = 0; page < chunk.length; page += long.blockSize) {
      reader.pushPage(chunk.subarray(page, page + long.blockSize));
    }
    if (reader.ended !== undefined) return reader.endLsn ?? pageAddress;
    if (reader.switched) return undefined;
  }
  return undefined;
}
