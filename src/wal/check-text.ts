import { PgarcError } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import type { WalFile } from './file-name.ts';
import { parseHistory } from './history.ts';

/** Largest `.history` or `.backup` file that is believed, bytes: room for 60,000 timelines. */
export const MAX_TEXT_SIZE = 4 * 1024 * 1024;

const START_LINE = /^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+) \(file ([0-9A-F]{24})\)$/m;

/** The smallest segment, bytes: the part of an LSN that is an offset whatever the segment size is. */
const MIN_SEGMENT_SIZE = 1n << 20n;

/**
 * Checks a timeline history or backup history file.
 * @throws PgarcError `wal-invalid` that says what is wrong
 */
export function checkText(file: Extract<WalFile, { kind: 'history' | 'backup' }>, bytes: Buffer): void {
  if (bytes.length === 0) throw invalid(file, 'it is empty');
  const text = bytes.toString('latin1');
  if (file.kind === 'history') parseHistory(text, file.timeline);
  else checkBackupHistory(file, text);
}

/** The first line names the segment and LSN the backup began at (xlog.c, build_backup_content). */
function checkBackupHistory(file: Extract<WalFile, { kind: 'backup' }>, text: string): void {
  const match = START_LINE.exec(text);
  const lsn = parseLsn(match?.[1] ?? '');
  if (match === null || lsn === undefined) throw invalid(file, 'it has no START WAL LOCATION');
  const sameOffset = lsn % MIN_SEGMENT_SIZE === BigInt(file.offset) % MIN_SEGMENT_SIZE;
  if (match[2] !== file.segmentName || !sameOffset) {
    throw invalid(file, `it is of the backup that started at ${match[1]} in ${match[2]}`);
  }
}

function invalid({ name, kind }: WalFile, what: string): PgarcError {
  const kindName = kind === 'history' ? 'timeline history file' : 'backup history file';
  return new PgarcError('wal-invalid', `${name} is not the ${kindName} of that name: ${what}`);
}
