import type { Lsn } from '../postgres/lsn.ts';

/** Bytes of a page's header, and of a segment's first one (xlog_internal.h, SizeOfXLogShortPHD, -LongPHD). */
export const SHORT_HEADER_SIZE = 24;
export const LONG_HEADER_SIZE = 40;

/** What the checks of a segment's beginning get to see, bytes; a whole page, so that zeros are recognised as such. */
export const FIRST_PAGE_SIZE = 8192;

/** Flags of xlp_info (xlog_internal.h). */
export const FIRST_IS_CONTRECORD = 0x0001;
const LONG_HEADER = 0x0002;
const ALL_FLAGS = 0x000f;

/** XLogPageHeaderData, and XLogLongPageHeaderData on a segment's first page. */
export interface PageHeader {
  magic: number;
  info: number;
  /** Timeline of the first record on the page; may be older than the one in the segment's name. */
  timeline: number;
  /** LSN of the page's first byte. */
  pageAddress: Lsn;
  /** Bytes left of a record that began on an earlier page. */
  remainingLength: number;
  long: LongPageHeader | undefined;
}

export interface LongPageHeader {
  systemIdentifier: bigint;
  /** Bytes. */
  segmentSize: number;
  /** XLOG_BLCKSZ, bytes. */
  blockSize: number;
}

/**
 * Reads the header at the start of a WAL page of a little-endian machine. Meaning is the caller's:
 * any bytes give a header, so check the magic first.
 * @returns undefined when `page` is too short for its header
 */
export function parsePageHeader(page: Buffer): PageHeader | undefined {
  if (page.length < SHORT_HEADER_SIZE) return undefined;
  const info = page.readUInt16LE(2);
  const isLong = (info & LONG_HEADER) !== 0;
  if (isLong && page.length < LONG_HEADER_SIZE) return undefined;
  return {
    magic: page.readUInt16LE(0),
    info,
    timeline: page.readUInt32LE(4),
    pageAddress: page.readBigUInt64LE(8),
    remainingLength: page.readUInt32LE(16),
    long: isLong
      ? {
          systemIdentifier: page.readBigUInt64LE(24),
          segmentSize: page.readUInt32LE(32),
          blockSize: page.readUInt32LE(36),
        }
      : undefined,
  };
}

/** True for the magic of any PostgreSQL since 8.0 up to some years ahead: D0xx and D1xx. */
export function isWalMagic(magic: number): boolean {
  return magic >> 8 === 0xd0 || magic >> 8 === 0xd1;
}

/** True when xlp_info holds only bits that some version sets (xlog_internal.h, XLP_ALL_FLAGS; 13 and 14 use 0x8). */
export function hasKnownFlags(header: PageHeader): boolean {
  return (header.info & ~ALL_FLAGS) === 0;
}

/** True for a size initdb --wal-segsize can choose (xlog_internal.h, IsValidWalSegSize). Bytes. */
export function isSegmentSize(size: number): boolean {
  return size >= 2 ** 20 && size <= 2 ** 30 && (size & (size - 1)) === 0;
}

/** True for a size configure --with-wal-blocksize can choose, 1 to 64 KiB. Bytes. */
export function isBlockSize(size: number): boolean {
  return size >= 2 ** 10 && size <= 2 ** 16 && (size & (size - 1)) === 0;
}
