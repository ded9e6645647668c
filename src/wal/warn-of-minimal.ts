import type { Emit } from '../report/events.ts';
import { FIRST_IS_CONTRECORD, FIRST_PAGE_SIZE, LONG_HEADER_SIZE, parsePageHeader } from './page-header.ts';
import { readExactly } from './read-exactly.ts';
import type { WalSource } from './source.ts';

/**
 * Tells when a segment that is archived begins with the change to wal_level = minimal. It comes late, for such a
 * server does not archive, but before anyone needs the archive: a backup is due.
 */
export async function warnOfMinimal({ header, handle, size }: WalSource, emit: Emit): Promise<void> {
  if (header === undefined) return;
  const page = Buffer.alloc(Math.min(FIRST_PAGE_SIZE, header.blockSize, size));
  await readExactly(handle, page, 0);
  if (!mentionsLevelChange(page)) return;
  const { describeMinimal, readLevelChange } = await import('./minimal.ts');
  const lsn = readLevelChange(page, header.start, header.segmentSize);
  if (lsn === undefined) return;
  emit({
    type: 'warning',
    message: `${describeMinimal(lsn)}: no backup from before leads past that`,
    hint: 'Take a backup now: pgarc backup-push.',
  });
}

/** Passes over records without a look at their checksums: what checks those takes longer to load than all the rest. */
function mentionsLevelChange(page: Buffer): boolean {
  const header = parsePageHeader(page);
  // The shutdown before it ended a segment, so no record goes on into this one.
  if (header === undefined || (header.info & FIRST_IS_CONTRECORD) !== 0) return false;
  let at = LONG_HEADER_SIZE;
  while (at + 24 <= page.length) {
    const length = page.readUInt32LE(at);
    if (length < 24) return false;
    // RM_XLOG_ID, XLOG_PARAMETER_CHANGE
    if (page[at + 17] === 0 && (page[at + 16]! & 0xf0) === 0x60) return true;
    at += (length + 7) & ~7;
  }
  return false;
}
