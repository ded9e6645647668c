import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { findEnd, listTimelines, readSpans } from './branch.ts';
import { findEndOfRecords } from './check-records.ts';
import type { Comparison } from './compare.ts';
import type { WalSource } from './source.ts';

/**
 * Looks whether a file and the one stored differ only behind the last WAL of the file, where its timeline was left. At
 * the end of a timeline a standby with archive_mode=always offers its last segment, incomplete under its full name
 * (walreceiver.c, WalReceiverMain); what follows the switch is of the file's former life, on each standby another, and
 * the primary that was replaced may have archived the segment with WAL of its own there.
 *
 * That a history in pg_wal leaves the timeline there is not enough: PostgreSQL keeps histories that it has rejected
 * (branch.ts), and what its timeline goes on with must be stored. So the file's own records have to end there too.
 * @param walFolder where the file lies
 * @returns how far both are the same, as a clause; undefined when they differ in WAL
 */
export async function describeSharedEnd(
  { file, handle, size, header }: WalSource,
  walFolder: string,
  { storedSize, firstDifference }: Comparison,
): Promise<string | undefined> {
  if (file.kind !== 'segment' || header === undefined) return undefined;
  if (storedSize !== size || firstDifference === undefined) return undefined;
  const difference = header.start + BigInt(firstDifference);
  let end: Lsn | undefined;
  for (const timeline of await listTimelines(walFolder, file.timeline + 1)) {
    const left = findEnd(await readSpans(walFolder, timeline), file.timeline);
    if (left === undefined || left <= header.start || left > difference) continue;
    end ??= await findEndOfRecords(handle, size);
    if (end === undefined) return undefined;
    if (end > left) continue;
    return `up to ${formatLsn(left)}, where timeline ${timeline} leaves timeline ${file.timeline}`;
  }
  return undefined;
}
