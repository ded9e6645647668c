import type { Lsn } from '../postgres/lsn.ts';
import {
  FIRST_IS_CONTRECORD,
  isWalMagic,
  LONG_HEADER_SIZE,
  parsePageHeader,
  SHORT_HEADER_SIZE,
} from './page-header.ts';
import { updateCrc } from './record-crc.ts';
import { isXlogRecord, XLOG_SWITCH } from './record-kind.ts';

/** A WAL record (xlogrecord.h, XLogRecord), whole and with a correct CRC. */
export interface WalRecord {
  lsn: Lsn;
  /** Where the next record may begin, aligned to 8 bytes; after a segment switch the segment's end. */
  endLsn: Lsn;
  /** Resource manager (rmgrlist.h): 0 XLOG, 1 Transaction. */
  rmid: number;
  /** The high four bits belong to the resource manager. */
  info: number;
  xid: number;
  /** What follows the header: block headers, data headers, data. */
  body: Buffer;
  /** Of the page it begins on: tells PostgreSQL's version. */
  magic: number;
}

export interface WalReaderOptions {
  /** LSN of the first byte of the first page. */
  start: Lsn;
  /** Bytes. */
  segmentSize: number;
  /** Stops at the record that would go beyond, where a timeline was left in the middle of a segment. */
  limit?: Lsn | undefined;
  /** Only records for which this is true reach `onRecord`; the others are only checked. */
  wants: (rmid: number, info: number) => boolean;
  onRecord: (record: WalRecord) => void;
}

/** SizeOfXLogRecord: tot_len 4, xid 4, prev 8, info 1, rmid 1, padding 2, crc 4. */
const HEADER = 24;
const CRC_AT = 20;

/** xlog_internal.h, XLP_FIRST_IS_OVERWRITE_CONTRECORD: the record begun before was given up after a crash. */
const FIRST_IS_OVERWRITE = 0x0008;

/** A record of which the pages so far hold a part. */
interface Partial {
  offset: number;
  length: number;
  got: number;
  header: Buffer;
  crc: number;
  /** Of its body, when someone wants it. */
  parts: Buffer[] | undefined;
}

/** A record whose bytes are all there and whose CRC is still to be compared. */
interface Candidate {
  /** From the reader's start to the record, and to where the next may begin. */
  offset: number;
  end: number;
  header: Buffer;
  /** Of the body so far. */
  crc: number;
  /** Undefined when nobody wants it. */
  body: Buffer | undefined;
}

/**
 * Reads WAL page by page as PostgreSQL's xlogreader.c does: follows records across pages and segments and
 * checks page addresses, xl_prev and CRCs, so that it stops where valid WAL ends. What lies behind that, zeros
 * or an older segment's bytes, is normal in a last segment.
 *
 * It may begin anywhere; a record that began before the first page is passed over.
 */
export class WalReader {
  /** Set when the WAL ended: why the next bytes are no record. */
  ended: string | undefined;
  /** Bytes from the start to where the next record would begin. */
  #end: number | undefined;
  #lastOffset: number | undefined;
  #partial: Partial | undefined;
  #pageOffset = 0;
  #switchedUntil = 0;
  #magic = 0;
  #timeline = 0;
  readonly #options: WalReaderOptions;

  constructor(options: WalReaderOptions) {
    this.#options = options;
  }

  /** Start of the last valid record, or undefined when there was none. */
  get lastLsn(): Lsn | undefined {
    return this.#lastOffset === undefined ? undefined : this.#lsn(this.#lastOffset);
  }

  /** End of the last valid record, or undefined when there was none. */
  get endLsn(): Lsn | undefined {
    return this.#end === undefined ? undefined : this.#lsn(this.#end);
  }

  /** True while a record waits for its continuation on the next page. */
  get continues(): boolean {
    return this.#partial !== undefined;
  }

  /** True when the rest of the current segment is padding after a segment switch. */
  get switched(): boolean {
    return this.#pageOffset < this.#switchedUntil;
  }

  /** Bytes pushed so far. */
  get position(): number {
    return this.#pageOffset;
  }

  /** Passes over padding behind a segment switch without its pages, up to `position` bytes from the start. */
  skipTo(position: number): void {
    if (position <= this.#switchedUntil) this.#pageOffset = position;
  }

  /** Reads the next page, of XLOG_BLCKSZ bytes. The reader keeps no reference to it. */
  pushPage(page: Buffer): void {
    const base = this.#pageOffset;
    this.#pageOffset += page.length;
    if (this.ended !== undefined || base < this.#switchedUntil) return;
    let position = this.#readPageHeader(page, base);
    while (this.ended === undefined && position !== undefined && position + 8 <= page.length) {
      position = this.#beginRecord(page, base, position);
    }
  }

  /** @returns where the first new record of the page begins, undefined when none does */
  #readPageHeader(page: Buffer, base: number): number | undefined {
    const header = parsePageHeader(page);
    if (header?.pageAddress !== this.#lsn(base)) return this.#stop('page of another address');
    if (!isWalMagic(header.magic) || (base > 0 && header.magic !== this.#magic)) {
      return this.#stop('page of another version');
    }
    if (header.timeline < this.#timeline) return this.#stop('page of an earlier timeline');
    this.#magic = header.magic;
    this.#timeline = header.timeline;

    const position = header.long === undefined ? SHORT_HEADER_SIZE : LONG_HEADER_SIZE;
    const continued = (header.info & FIRST_IS_CONTRECORD) !== 0;
    const remaining = header.remainingLength;
    if (this.#partial !== undefined) {
      if ((header.info & FIRST_IS_OVERWRITE) !== 0) {
        this.#partial = undefined;
        return position;
      }
      const missing = this.#partial.length - this.#partial.got;
      if (!continued || remaining !== missing) return this.#stop('record without its rest');
      return this.#appendToPartial(page, position, Math.min(missing, page.length - position));
    }
    if (!continued) return position;
    if (this.#lastOffset !== undefined) return this.#stop('page begins inside a record');
    return remaining > page.length - position ? undefined : position + align(remaining);
  }

  /** @returns where the next record begins */
  #beginRecord(page: Buffer, base: number, position: number): number | undefined {
    const length = page.readUInt32LE(position);
    if (length < HEADER) return this.#stop(length === 0 ? 'zeros' : 'impossible record length');
    const available = page.length - position;
    const offset = base + position;
    if (length > available) {
      const header = Buffer.alloc(HEADER);
      this.#partial = { offset, length, got: 0, header, crc: 0, parts: undefined };
      return this.#appendToPartial(page, position, available);
    }
    const header = page.subarray(position, position + HEADER);
    const body = page.subarray(position + HEADER, position + length);
    const crc = updateCrc(0, page, position + HEADER, position + length);
    const next = position + align(length);
    return this.#finish({ offset, end: base + next, header, crc, body }) ? next : undefined;
  }

  /** @returns where the next record begins on this page, undefined when the record goes on */
  #appendToPartial(page: Buffer, from: number, count: number): number | undefined {
    const partial = this.#partial!;
    const to = from + count;
    const headerBytes = Math.min(Math.max(HEADER - partial.got, 0), count);
    page.copy(partial.header, partial.got, from, from + headerBytes);
    partial.got += count;
    if (headerBytes > 0 && partial.got >= HEADER && this.#wants(partial.header)) partial.parts = [];
    partial.crc = updateCrc(partial.crc, page, from + headerBytes, to);
    partial.parts?.push(Buffer.from(page.subarray(from + headerBytes, to)));
    if (partial.got < partial.length) return undefined;

    this.#partial = undefined;
    const next = align(to);
    const end = this.#pageOffset - page.length + next;
    const { offset, header, crc, parts } = partial;
    const body = parts === undefined ? undefined : Buffer.concat(parts);
    return this.#finish({ offset, end, header, crc, body }) ? next : undefined;
  }

  /** @returns false when no record follows on this page */
  #finish({ offset, end, header, crc, body }: Candidate): boolean {
    if (updateCrc(crc, header, 0, CRC_AT) !== header.readUInt32LE(CRC_AT)) {
      this.#stop('wrong checksum');
      return false;
    }
    const previous = header.readBigUInt64LE(8);
    const expected = this.lastLsn;
    if (expected === undefined ? previous >= this.#lsn(offset) : previous !== expected) {
      this.#stop('record of an older segment');
      return false;
    }
    const { limit } = this.#options;
    if (limit !== undefined && this.#lsn(end) > limit) {
      this.#stop('end of the timeline');
      return false;
    }
    const info = header[16]!;
    const rmid = header[17]!;
    this.#lastOffset = offset;
    this.#end = end;
    if (isXlogRecord(rmid, info, XLOG_SWITCH)) this.#switchSegment(end);
    if (body !== undefined && this.#wants(header)) {
      const xid = header.readUInt32LE(4);
      const [lsn, endLsn] = [this.#lsn(offset), this.#lsn(this.#end)];
      this.#options.onRecord({ lsn, endLsn, rmid, info, xid, body, magic: this.#magic });
    }
    return !this.switched;
  }

  // A switch ends its segment (xlogreader.c, XLogDecodeNextRecord).
  #switchSegment(end: number): void {
    const size = BigInt(this.#options.segmentSize);
    const used = this.#lsn(end) % size;
    this.#switchedUntil = used === 0n ? end : end + Number(size - used);
    this.#end = this.#switchedUntil;
  }

  #wants(header: Buffer): boolean {
    return this.#options.wants(header[17]!, header[16]!);
  }

  #stop(reason: string): undefined {
    this.ended = reason;
    this.#partial = undefined;
  }

  #lsn(offset: number): Lsn {
    return this.#options.start + BigInt(offset);
  }
}

/** Rounds up to 8, where records begin (MAXALIGN). */
function align(length: number): number {
  return (length + 7) & ~7;
}
