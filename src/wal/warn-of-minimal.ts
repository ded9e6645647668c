import type { Emit } from '../report/events.ts';
import { FIRST_IS_CONTRECORD, LONG_HEADER_SIZE, parsePageHeader } from './page-header.ts';
import { isXlogRecord, XLOG_PARAMETER_CHANGE } from './record-kind.ts';
import type { WalSource } from './source.ts';

/** XLogRecord (xlogrecord.h): its size, and where its kind stands. Bytes. */
const RECORD_HEADER = 24;
const INFO_AT = 16;
const RMID_AT = 17;

/**
 * Tells when a segment that is archived begins with the change to wal_level = minimal. It comes late, for such a
 * server does not archive, but before anyone needs the archive: a backup is due.
 */
export async function warnOfMinimal({ header, firstPage }: WalSource, emit: Emit): Promise<void> {
  if (header === undefined || firstPage === undefined) return;
  const page = firstPage.subarray(0, header.blockSize);
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
  while (at + RECORD_HEADER <= page.length) {
    const length = page.readUInt32LE(at);
    if (length < RECORD_HEADER) return false;
    if (isXlogRecord(page[at + RMID_AT]!, page[at + INFO_AT]!, XLOG_PARAMETER_CHANGE)) return true;
    at += (length + 7) & ~7;
  }
  return false;
}
