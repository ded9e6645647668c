import { crc32c } from '@node-rs/crc32';
import type { UnixMicros } from '../../../src/wal/timestamp.ts';

const PAGE = 8192;
const EPOCH_DIFFERENCE = 946_684_800_000_000;

export interface WalWriterOptions {
  start?: bigint;
  /** Bytes, default 1 MiB. */
  segmentSize?: number;
  timeline?: number;
  magic?: number;
}

/** Writes WAL as PostgreSQL lays it out, for tests without a server. */
export class WalWriter {
  readonly segmentSize: number;
  timeline: number;
  readonly #start: bigint;
  readonly #magic: number;
  readonly #pages: Buffer[] = [];
  #position = 0;
  #previous = 0n;

  constructor({
    start = 0x100000n,
    segmentSize = 2 ** 20,
    timeline = 1,
    magic = 0xd110,
  }: WalWriterOptions = {}) {
    this.segmentSize = segmentSize;
    this.timeline = timeline;
    this.#start = start;
    this.#magic = magic;
  }

  /** Where the next record will be written, behind a page header where one is due. */
  get lsn(): bigint {
    const header = this.#position % PAGE === 0 ? this.#headerSize(this.#position) : 0;
    return this.#start + BigInt(this.#position + header);
  }

  commit(xid: number, time: UnixMicros): bigint {
    return this.record(1, 0x00, xid, timestamp(time));
  }

  abort(xid: number, time: UnixMicros): bigint {
    return this.record(1, 0x20, xid, timestamp(time));
  }

  /** COMMIT PREPARED, whose own xid is another one; with subtransactions, so that the parts must be walked. */
  commitPrepared(xid: number, time: UnixMicros): bigint {
    const data = Buffer.alloc(8 + 4 + 8 + 4 + 8 + 4);
    timestamp(time).copy(data);
    data.writeUInt32LE((1 << 0) | (1 << 1) | (1 << 4), 8);
    data.writeInt32LE(2, 20);
    data.writeUInt32LE(xid, 32);
    return this.record(1, 0x30 | 0x80, 0, data);
  }

  restorePoint(name: string, time: UnixMicros): bigint {
    const data = Buffer.alloc(72);
    timestamp(time).copy(data);
    data.write(name, 8);
    return this.record(0, 0x70, 0, data);
  }

  /** Settings changed at a start: 0 is wal_level = minimal, 1 replica. */
  levelChange(level: 0 | 1): bigint {
    const data = Buffer.alloc(28);
    for (const [i, value] of [100, 8, 10, 0, 64, level].entries()) data.writeInt32LE(value, 4 * i);
    return this.record(0, 0x60, 0, data);
  }

  /** A record nobody wants, of about that many bytes. */
  fill(bytes: number): bigint {
    return this.record(21, 0, 0, Buffer.alloc(bytes, 0xab));
  }

  /** Ends the segment, as pg_switch_wal() does: what follows is zeros. */
  switchSegment(): bigint {
    const lsn = this.record(0, 0x40, 0, undefined);
    this.#position = Math.ceil(this.#position / this.segmentSize) * this.segmentSize;
    return lsn;
  }

  record(rmid: number, info: number, xid: number, data: Buffer | undefined): bigint {
    const body = data === undefined ? Buffer.alloc(0) : Buffer.concat([dataHeader(data.length), data]);
    const header = Buffer.alloc(24);
    header.writeUInt32LE(24 + body.length, 0);
    header.writeUInt32LE(xid, 4);
    header.writeBigUInt64LE(this.#previous, 8);
    header[16] = info;
    header[17] = rmid;
    header.writeUInt32LE(crc32c(header.subarray(0, 20), crc32c(body)), 20);
    const lsn = this.lsn;
    this.#write(Buffer.concat([header, body]));
    this.#previous = lsn;
    return lsn;
  }

  /** The segments so far by number, the last one filled up with zeros. */
  segments(): Map<bigint, Buffer> {
    const perSegment = this.segmentSize / PAGE;
    const first = this.#start / BigInt(this.segmentSize);
    const count = Math.ceil(this.#pages.length / perSegment);
    return new Map(
      Array.from({ length: count }, (_, i) => {
        const pages = Array.from(
          { length: perSegment },
          (_, page) => this.#pages[i * perSegment + page] ?? Buffer.alloc(PAGE),
        );
        return [first + BigInt(i), Buffer.concat(pages)];
      }),
    );
  }

  #write(bytes: Buffer): void {
    let written = 0;
    while (written < bytes.length) {
      if (this.#position % PAGE === 0) this.#beginPage(written === 0 ? 0 : bytes.length - written);
      const at = this.#position % PAGE;
      const copied = bytes.copy(this.#pages[Math.floor(this.#position / PAGE)]!, at, written);
      written += copied;
      this.#position += copied;
    }
    this.#position = Math.ceil(this.#position / 8) * 8;
  }

  #beginPage(remaining: number): void {
    const page = Buffer.alloc(PAGE);
    const isFirst = this.#position % this.segmentSize === 0;
    page.writeUInt16LE(this.#magic, 0);
    page.writeUInt16LE((remaining > 0 ? 1 : 0) | (isFirst ? 2 : 0), 2);
    page.writeUInt32LE(this.timeline, 4);
    page.writeBigUInt64LE(this.#start + BigInt(this.#position), 8);
    page.writeUInt32LE(remaining, 16);
    if (isFirst) {
      page.writeBigUInt64LE(7n, 24);
      page.writeUInt32LE(this.segmentSize, 32);
      page.writeUInt32LE(PAGE, 36);
    }
    this.#pages[this.#position / PAGE] = page;
    this.#position += this.#headerSize(this.#position);
  }

  #headerSize(position: number): number {
    return position % this.segmentSize === 0 ? 40 : 24;
  }
}

function dataHeader(length: number): Buffer {
  if (length < 256) return Buffer.from([255, length]);
  const header = Buffer.alloc(5);
  header[0] = 254;
  header.writeUInt32LE(length, 1);
  return header;
}

function timestamp(time: UnixMicros): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(time - EPOCH_DIFFERENCE));
  return buffer;
}
