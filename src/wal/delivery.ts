import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { Lsn } from '../postgres/lsn.ts';
import { isFull } from '../system/file-error.ts';
import type { Branch } from './branch.ts';
import { checkSegment, type SegmentHeader } from './check-segment.ts';
import { checkText, MAX_TEXT_SIZE } from './check-text.ts';
import type { WalFile } from './file-name.ts';
import { FIRST_PAGE_SIZE } from './page-header.ts';
import { readExactly } from './read-exactly.ts';
import { MAX_WAL_SIZE } from './read-object.ts';

/** What a fetched file must be. */
export interface Expectation {
  file: WalFile;
  /** From the cluster's pg_control; undefined without a cluster. */
  systemIdentifier: bigint | undefined;
  /** Bytes; from pg_control too. */
  segmentSize: number | undefined;
  /** Only what lies before it is the server's. */
  branch?: Branch | undefined;
}

/** A temporary file nobody has written to for this long was left by a process that was killed, ms. */
const ABANDONED_MS = 10 * 60_000;

/**
 * A WAL file on its way to where PostgreSQL wants it: written under a temporary name beside the destination,
 * checked, then renamed; disposed of before that, nothing stays. There is no fsync: PostgreSQL syncs a
 * restored file itself before it keeps it (xlogarchive.c, durable_rename), pg_rewind syncs the whole
 * directory, and after a crash either asks for the file again.
 */
export class Delivery implements AsyncDisposable {
  readonly #expectation: Expectation;
  readonly #key: string;
  readonly #destination: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  /** The first page of a segment, all of a history file. */
  readonly #head: Buffer[] = [];
  #headSize = 0;
  #completed = false;
  #size = 0;

  /** @throws PgarcError `failed` when the destination cannot be written */
  static async begin(expectation: Expectation, key: string, destination: string): Promise<Delivery> {
    const temporary = `${destination}.pgarc-${process.pid}`;
    try {
      await removeAbandoned(destination);
      const handle = await open(temporary, 'w+', 0o600);
      return new Delivery(expectation, key, destination, temporary, handle);
    } catch (error) {
      throw writeFailure(destination, error);
    }
  }

  private constructor(
    expectation: Expectation,
    key: string,
    destination: string,
    temporary: string,
    handle: FileHandle,
  ) {
    this.#expectation = expectation;
    this.#key = key;
    this.#destination = destination;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends bytes. @throws PgarcError `object-damaged` for more than the file can have, `no-space`, `failed` */
  async write(chunk: Buffer): Promise<void> {
    const limit = this.#isText() ? MAX_TEXT_SIZE : (this.#expectation.segmentSize ?? MAX_WAL_SIZE);
    if (this.#size + chunk.length > limit) throw this.#damaged(`it holds more than ${limit} bytes`);
    const missing = (this.#isText() ? MAX_TEXT_SIZE : FIRST_PAGE_SIZE) - this.#headSize;
    if (missing > 0) {
      this.#head.push(Buffer.from(chunk.subarray(0, missing)));
      this.#headSize += Math.min(missing, chunk.length);
    }
    try {
      for (let written = 0; written < chunk.length; ) {
        written += (await this.#handle.write(chunk, written)).bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.#destination, error);
    }
    this.#size += chunk.length;
  }

  /**
   * Checks what was written: all of a history file, size and first page of a segment.
   * @returns a segment's header
   * @throws PgarcError `object-damaged` that names the object
   */
  check(): SegmentHeader | undefined {
    const { file, segmentSize } = this.#expectation;
    const head = Buffer.concat(this.#head);
    try {
      if (file.kind === 'history' || file.kind === 'backup') {
        checkText(file, head);
        return undefined;
      }
      const header = checkSegment(file, this.#size, head);
      if (segmentSize !== undefined && this.#size !== segmentSize) {
        throw this.#damaged(`it has ${this.#size} bytes, and this cluster's segments have ${segmentSize}`);
      }
      return header;
    } catch (error) {
      throw isPgarcError(error, 'wal-invalid') ? this.#damaged(error.message, error) : error;
    }
  }

  /** Reads back what was written. */
  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await readExactly(this.#handle, bytes, offset);
    return bytes;
  }

  /**
   * Reads a segment back and compares the CRC of every record, for an object that carries no checksum itself.
   * @returns where its records end before the segment does; undefined when they do not
   */
  async findEndOfRecords(): Promise<Lsn | undefined> {
    if (this.#expectation.file.kind !== 'segment') return undefined;
    const { findEndOfRecords } = await import('./check-records.ts');
    return findEndOfRecords(this.#handle, this.#size);
  }

  /** Overwrites what was written with zeros from a byte on: to PostgreSQL its records end there. */
  async blank(from: number): Promise<void> {
    try {
      const zeros = Buffer.alloc(this.#size - from);
      for (let written = 0; written < zeros.length; ) {
        const left = zeros.length - written;
        written += (await this.#handle.write(zeros, written, left, from + written)).bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.#destination, error);
    }
  }

  /** Puts the file under its name. @throws PgarcError `no-space`, `failed` */
  async complete(): Promise<void> {
    try {
      await this.#handle.close();
      await rename(this.#temporary, this.#destination);
      this.#completed = true;
    } catch (error) {
      throw writeFailure(this.#destination, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#completed) return;
    await this.#handle.close().catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  #isText(): boolean {
    return this.#expectation.file.kind === 'history' || this.#expectation.file.kind === 'backup';
  }

  #damaged(what: string, cause?: unknown): PgarcError {
    return new PgarcError('object-damaged', `the object ${this.#key} is damaged: ${what}`, { cause });
  }
}

async function removeAbandoned(destination: string): Promise<void> {
  const folder = dirname(destination);
  const prefix = `${basename(destination)}.pgarc-`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { force: true }).catch(() => undefined);
  }
}

function writeFailure(destination: string, cause: unknown): PgarcError {
  const full = isFull(cause);
  return new PgarcError(full ? 'no-space' : 'failed', `cannot write ${destination}: ${messageOf(cause)}`, {
    cause,
    ...(full ? { hint: `Make room on the file system of ${dirname(destination)}.` } : {}),
  });
}
