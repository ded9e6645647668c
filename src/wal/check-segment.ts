import { PgarcError } from '../errors.ts';
import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import type { WalFile } from './file-name.ts';
import {
  hasKnownFlags,
  isBlockSize,
  isSegmentSize,
  isWalMagic,
  type LongPageHeader,
  parsePageHeader,
} from './page-header.ts';
import { parseSegmentName, segmentStart } from './segment.ts';

/** What a segment says of itself. */
export interface SegmentHeader extends LongPageHeader {
  /** Of its first page: that of its name, or an older one (check-timeline.ts). */
  timeline: number;
  /** LSN of its first byte. */
  start: Lsn;
}

/**
 * Checks that bytes are the segment their name says: size, and the header of the first page
 * (xlogreader.c, XLogReaderValidatePageHeader). Later pages are not looked at: behind a segment switch
 * PostgreSQL leaves zeros or, after a crash, pages of the file's former life, and both are legal.
 * @param size bytes of the whole file
 * @param firstPage at least its first 40 bytes
 * @throws PgarcError `wal-invalid` that says what is wrong
 */
export function checkSegment(
  file: Extract<WalFile, { segmentName: string }>,
  size: number,
  firstPage: Buffer,
): SegmentHeader {
  const { name } = file;
  const header = parsePageHeader(firstPage);
  if (size === 0) throw invalid(name, 'it is empty');
  if (header === undefined) throw invalid(name, `it has only ${size} bytes`);
  if (header.magic === 0 && firstPage.every((byte) => byte === 0)) {
    throw invalid(name, 'it begins with zeros instead of a page header');
  }
  if (!isWalMagic(header.magic) || !hasKnownFlags(header)) {
    throw invalid(name, `its page magic is ${hex(header.magic)}, which no PostgreSQL writes`);
  }
  const { long } = header;
  if (long === undefined) throw invalid(name, 'its first page has no long header');
  if (!isSegmentSize(long.segmentSize)) {
    throw invalid(name, `its header gives an impossible segment size, ${long.segmentSize} bytes`);
  }
  if (!isBlockSize(long.blockSize)) {
    throw invalid(name, `its header gives an impossible page size, ${long.blockSize} bytes`);
  }
  if (size !== long.segmentSize) {
    throw invalid(name, `it has ${size} bytes, and its header says ${long.segmentSize}`);
  }
  const segment = parseSegmentName(file.segmentName, long.segmentSize);
  if (segment === undefined) {
    throw invalid(name, `there is no segment of that name among segments of ${long.segmentSize} bytes`);
  }
  const start = segmentStart(segment, long.segmentSize);
  if (header.pageAddress !== start) {
    throw invalid(
      name,
      `its first page is that of LSN ${formatLsn(header.pageAddress)}, and the name's is ${formatLsn(start)}`,
    );
  }
  // An older one is right where the history of the name's timeline has it there (check-timeline.ts).
  if (header.timeline === 0 || header.timeline > file.timeline) {
    throw invalid(name, `its first page is of timeline ${header.timeline}`);
  }
  return { ...long, timeline: header.timeline, start };
}

/** The error of a file that its name does not fit. */
export function invalid(name: string, what: string): PgarcError {
  return new PgarcError('wal-invalid', `${name} is not the WAL segment of that name: ${what}`);
}

function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(4, '0')}`;
}
