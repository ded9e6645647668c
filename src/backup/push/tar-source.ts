import type { BigIntStats } from 'node:fs';
import { setImmediate as yieldLoop } from 'node:timers/promises';
import { crc32c } from '@node-rs/crc32';
import { encodeTarHeader, TAR_END, tarPadding } from '../format/tar.ts';
import type { ChunkSource } from './compress.ts';
import { closeFile, describeReadError, openFile, readFully, readSmallFile, statFile } from './file-io.ts';
import { isReplayed } from './layout.ts';
import type { PageCheck, PageReader } from './pages.ts';
import { readSettled } from './snapshot.ts';
import { pathOf, type WalkedEntry } from './walk.ts';

export interface TarSourceOptions {
  pgdata: string;
  directories: readonly WalkedEntry[];
  files: readonly WalkedEntry[];
  /** How the pages of a file are checked, or undefined when it has none or the cluster has no checksums. */
  pagesOf(file: WalkedEntry): PageCheck | undefined;
  /** Told of every file that is complete, with its checksum. */
  packed(file: WalkedEntry): void;
  /** Told of bytes read. */
  read(bytes: number): void;
  /** Told when a file has so many bytes more, or fewer, than when it was walked. */
  resized(bytes: number): void;
  /** Told of a file that no replay makes right and that ends with zeros, because it was cut while it was read. */
  torn(file: WalkedEntry): void;
  signal: AbortSignal;
}

/** Up to here a file is read in one call and lies in one chunk. */
const SMALL = 256 * 1024;
/** How long calls that return at once from the cache may hold the event loop, ms. */
const HOLD = 10;
/** A read that takes longer came from a slow disk, ms; the next files are left to the thread pool. */
const SLOW = 5;
const AFTER_SLOW = 64;
/** More than a header of tar can grow by. */
const SPARE = 4096;

interface OpenFile {
  entry: WalkedEntry;
  file: number;
  position: number;
  crc: number;
  pages: PageCheck | undefined;
  /** Replay makes the end of it right. */
  isReplayed: boolean;
  isTorn?: boolean;
}

/**
 * Makes a tar of files of a running server, straight into the chunks that are to be compressed: each byte
 * is read once and never copied. A relation's file has the size it had when it was walked, any other the one
 * it has when its turn comes, and a small one is as it was at one moment. One that vanished is left out. A
 * chunk ends early rather than in the middle of a header, of a small file or of a page.
 */
export class TarSource implements ChunkSource {
  readonly #options: TarSourceOptions;
  #directory = 0;
  #next = 0;
  #open: OpenFile | undefined;
  #ended = false;
  #held = 0;
  #slow = 0;

  constructor(options: TarSourceOptions) {
    this.#options = options;
  }

  async fill(buffer: Buffer): Promise<{ length: number; done: boolean }> {
    const { directories, files } = this.#options;
    let at = 0;
    this.#held = performance.now();
    for (;;) {
      if (performance.now() - this.#held > HOLD) {
        await yieldLoop();
        this.#options.signal.throwIfAborted();
        this.#held = performance.now();
      }
      if (this.#open !== undefined) {
        const open = this.#open;
        const next = await this.#telling(open.entry, () => this.#readOn(open, buffer, at));
        if (next === undefined) break;
        at = next;
      } else if (this.#directory < directories.length) {
        const header = encodeHeader(directories[this.#directory]!, 'directory');
        if (at + header.length > buffer.length) break;
        at += header.copy(buffer, at);
        this.#directory++;
      } else if (this.#next < files.length) {
        const entry = files[this.#next]!;
        const next = await this.#telling(entry, () => this.#begin(entry, buffer, at));
        if (next === undefined) break;
        at = next;
        this.#next++;
      } else {
        if (at + TAR_END.length > buffer.length) break;
        at += TAR_END.copy(buffer, at);
        this.#ended = true;
        break;
      }
    }
    return { length: at, done: this.#ended };
  }

  async close(): Promise<void> {
    if (this.#open !== undefined) await closeFile(this.#open.file);
    this.#open = undefined;
  }

  /** Says in an error which file it was. */
  async #telling<T>(entry: WalkedEntry, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw describeReadError(error, this.#options.pgdata, entry.name);
    }
  }

  /** @returns where the buffer is filled up to, or undefined when there is no room */
  async #begin(entry: WalkedEntry, buffer: Buffer, at: number): Promise<number | undefined> {
    if (!isReplayed(entry.name)) return await this.#beginChanging(entry, buffer, at);
    const header = encodeHeader(entry, 'file');
    const body = at + header.length;
    const isSmall = entry.size <= SMALL;
    if (isSmall && body + entry.size + tarPadding(entry.size) > buffer.length) return undefined;
    if (body > buffer.length) return undefined;
    const path = pathOf(this.#options.pgdata, entry.name);
    if (isSmall && this.#slow === 0) return await this.#packSmall(entry, path, header, buffer, at);
    if (this.#slow > 0) this.#slow--;
    const file = await openFile(path);
    if (file === undefined) return at;
    header.copy(buffer, at);
    const pages = this.#options.pagesOf(entry);
    this.#open = { entry, file, position: 0, crc: 0, pages, isReplayed: true };
    return body;
  }

  /**
   * Begins a file that may have been written anew since the walk, hours ago, and that nothing would repair.
   * @returns as #begin
   */
  async #beginChanging(entry: WalkedEntry, buffer: Buffer, at: number): Promise<number | undefined> {
    const space = encodeHeader(entry, 'file').length;
    // Room for the largest that is read at once: how large it is by now is not known yet.
    if (at + space + SPARE + SMALL > buffer.length) return undefined;
    const path = pathOf(this.#options.pgdata, entry.name);
    const target = buffer.subarray(at + space, at + space + SMALL);
    const isSlow = this.#slow > 0;
    if (isSlow) this.#slow--;
    const found = await readSettled(path, target, isSlow, this.#options.signal);
    if (found === undefined) return at;
    const { length } = found;
    if (length === undefined) return await this.#beginLarge(entry, path, buffer, at);
    this.#renew(entry, found.stats, length);
    entry.crc32c = crc32c(target.subarray(0, length)) | 0;
    const header = encodeHeader(entry, 'file');
    const body = at + header.length;
    if (header.length !== space) buffer.copyWithin(body, at + space, at + space + length);
    header.copy(buffer, at);
    this.#options.read(length);
    this.#options.packed(entry);
    return pad(buffer, body + length, length);
  }

  async #beginLarge(
    entry: WalkedEntry,
    path: string | Buffer,
    buffer: Buffer,
    at: number,
  ): Promise<number | undefined> {
    const file = await openFile(path);
    if (file === undefined) return at;
    try {
      const stats = await statFile(file);
      this.#renew(entry, stats, Number(stats.size));
    } catch (error) {
      await closeFile(file);
      throw error;
    }
    const header = encodeHeader(entry, 'file');
    this.#open = { entry, file, position: 0, crc: 0, pages: undefined, isReplayed: false };
    return at + header.copy(buffer, at);
  }

  #renew(entry: WalkedEntry, stats: BigIntStats, size: number): void {
    if (size !== entry.size) this.#options.resized(size - entry.size);
    entry.size = size;
    entry.modifiedNs = stats.mtimeNs;
    entry.mode = Number(stats.mode) & 0o7777;
    entry.uid = Number(stats.uid);
    entry.gid = Number(stats.gid);
  }

  async #packSmall(
    entry: WalkedEntry,
    path: string | Buffer,
    header: Buffer,
    buffer: Buffer,
    at: number,
  ): Promise<number> {
    const body = at + header.length;
    const end = body + entry.size;
    const target = buffer.subarray(body, end);
    // Nothing to read in an empty one: should it be gone by now, replay removes it again.
    if (entry.size > 0) {
      const before = performance.now();
      const count = readSmallFile(path, target);
      if (performance.now() - before > SLOW) this.#slow = AFTER_SLOW;
      if (count === undefined) return at;
      if (count < target.length) target.fill(0, count);
      const pages = this.#options.pagesOf(entry);
      if (pages?.hasBadPages(target, 0)) await this.#settle(entry, path, pages, target);
      this.#options.read(entry.size);
    }
    header.copy(buffer, at);
    entry.crc32c = crc32c(target) | 0;
    this.#options.packed(entry);
    return pad(buffer, end, entry.size);
  }

  async #settle(entry: WalkedEntry, path: string | Buffer, pages: PageCheck, target: Buffer): Promise<void> {
    const file = await openFile(path);
    if (file === undefined) return;
    try {
      await pages.settle(entry.name, target, 0, readerOf(file));
    } finally {
      await closeFile(file);
    }
  }

  async #readOn(open: OpenFile, buffer: Buffer, at: number): Promise<number | undefined> {
    const { entry, file, pages } = open;
    const left = entry.size - open.position;
    if (left === 0) {
      const padding = tarPadding(entry.size);
      if (at + padding > buffer.length) return undefined;
      this.#open = undefined;
      await closeFile(file);
      entry.crc32c = open.crc | 0;
      this.#options.packed(entry);
      return pad(buffer, at, entry.size);
    }
    let want = Math.min(left, buffer.length - at);
    // Checked pages lie whole in one chunk.
    if (pages !== undefined && want < left) want -= want % pages.pageSize;
    if (want === 0) return undefined;
    const target = buffer.subarray(at, at + want);
    const count = await readFully(file, target, open.position);
    this.#options.signal.throwIfAborted();
    // Truncated by the server: replay does it again, and until then the rest reads as zeros.
    if (count < want) {
      target.fill(0, count);
      if (!open.isReplayed && !open.isTorn) this.#options.torn(entry);
      open.isTorn = true;
    }
    if (pages?.hasBadPages(target, open.position)) {
      await pages.settle(entry.name, target, open.position, readerOf(file));
    }
    open.crc = crc32c(target, open.crc);
    open.position += want;
    this.#options.read(want);
    return at + want;
  }
}

function readerOf(file: number): PageReader {
  return (target, position) => readFully(file, target, position);
}

function pad(buffer: Buffer, at: number, size: number): number {
  const padding = tarPadding(size);
  buffer.fill(0, at, at + padding);
  return at + padding;
}

function encodeHeader(entry: WalkedEntry, type: 'file' | 'directory'): Buffer {
  const { name, size, mode, uid, gid, modifiedNs } = entry;
  return encodeTarHeader({
    name,
    type,
    size,
    mode,
    uid,
    gid,
    mtime: new Date(Number(modifiedNs / 1_000_000n)),
  });
}
