import type { ObjectStore } from '../store/store.ts';
import { isBlockSize, LONG_HEADER_SIZE, parsePageHeader } from './page-header.ts';
import { openWalObject } from './read-object.ts';

/** Bytes: XLOG_BLCKSZ of nearly every PostgreSQL. */
const DEFAULT_PAGE_SIZE = 8192;

/** Reads WAL files of an archive as streams, in bounded memory however large they are. */
export class StoredWal {
  // Nearly all files of an archive have the same extension: the one that was right last is tried first.
  #extension = 'lz4';
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * A WAL file's plain bytes.
   * @returns undefined only when the store answered that there is none
   * @throws PgarcError `store-unreachable`, and `object-damaged`, also while it is read
   */
  async open(name: string, signal: AbortSignal): Promise<AsyncIterable<Buffer> | undefined> {
    const object = await openWalObject(this.#store, name, this.#extension, signal);
    if (object === undefined) return undefined;
    this.#extension = object.extension;
    return object.body;
  }

  /** A segment's pages, each of XLOG_BLCKSZ bytes; a last incomplete one is left out. */
  async *pages(name: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const bytes = await this.open(name, signal);
    if (bytes === undefined) return;
    let size: number | undefined;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of bytes) {
      const joined = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      if (joined.length >= LONG_HEADER_SIZE) {
        size ??= pageSize(joined);
        for (; at + size <= joined.length; at += size) yield joined.subarray(at, at + size);
      }
      rest = Buffer.from(joined.subarray(at));
    }
  }
}

function pageSize(start: Buffer): number {
  const size = parsePageHeader(start)?.long?.blockSize ?? 0;
  return isBlockSize(size) ? size : DEFAULT_PAGE_SIZE;
}
