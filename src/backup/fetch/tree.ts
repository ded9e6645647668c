import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  write,
  writeSync,
} from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import { messageOf, PgarcError } from '../../errors.ts';
import { encodeName, hasRawBytes } from '../format/tar.ts';
import type { Owner } from './owner.ts';

/** Below this a write on the main thread is quicker than the way to a worker thread and back, bytes. */
const SMALL_WRITE = 64 * 1024;
const PERMISSIONS = 0o777;

/** What was written of a file. */
export interface Written {
  /** Bytes. */
  size: number;
  crc32c: number;
}

/** The directory that is being restored. Paths are relative to it. Nothing in it is ever overwritten. */
export class Tree {
  readonly root: string;
  readonly #owner: Owner | undefined;

  /** @param owner who shall own what is made, when that is not the user who runs this */
  constructor(root: string, owner: Owner | undefined) {
    this.root = root;
    this.#owner = owner;
  }

  /** Makes a directory, or sets the mode of one that a file's path has made before. */
  makeDirectory(path: string, mode: number): void {
    const target = this.locate(path);
    try {
      mkdirSync(target, 0o700);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') this.#makeParents(path);
      if (codeOf(error) !== 'EEXIST') mkdirSync(target, 0o700);
    }
    const permissions = (mode & PERMISSIONS) | 0o700;
    // PostgreSQL does not start in a directory that others may enter.
    chmodSync(target, path === '' ? permissions & 0o750 : permissions);
    if (this.#owner !== undefined) chownSync(target, this.#owner.uid, this.#owner.gid);
  }

  /**
   * Writes a file that must not be there yet.
   * @throws PgarcError `object-damaged` when it is, `no-space`; errors of the file system
   */
  async writeFile(path: string, mode: number, body: AsyncIterable<Buffer>): Promise<Written> {
    const fd = this.#create(path);
    let size = 0;
    let crc = 0;
    try {
      for await (const chunk of body) {
        crc = crc32c(chunk, crc);
        await writeChunk(fd, chunk, size);
        size += chunk.length;
      }
      this.#dress(fd, mode);
    } catch (error) {
      throw explain(error, path);
    } finally {
      closeSync(fd);
    }
    return { size, crc32c: crc };
  }

  /** Writes a small file as a whole; an older one is replaced. */
  writeSmallFile(path: string, mode: number, content: Buffer): void {
    const fd = openSync(this.locate(path), 'w', 0o600);
    try {
      for (let at = 0; at < content.length; ) at += writeSync(fd, content, at, content.length - at, at);
      this.#dress(fd, mode);
    } catch (error) {
      throw explain(error, path);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Opens a file to change some of its pages, made when it is not there, and cuts or extends it to `size`.
   * @returns a function that writes bytes at an offset, and one that closes the file
   */
  openForPages(path: string, mode: number, size: number) {
    const fd = this.#openOrCreate(path, mode);
    try {
      ftruncateSync(fd, size);
    } catch (error) {
      closeSync(fd);
      throw explain(error, path);
    }
    return {
      write: (bytes: Buffer, at: number) => writeChunk(fd, bytes, at),
      close: () => closeSync(fd),
    };
  }

  /** The absolute path, as bytes where the name is no UTF-8. */
  locate(path: string): string | Buffer {
    const full = path === '' ? this.root : `${this.root}/${path}`;
    return hasRawBytes(path) ? encodeName(full) : full;
  }

  #create(path: string): number {
    try {
      return openSync(this.locate(path), 'wx', 0o600);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') {
        throw new PgarcError('object-damaged', `${path} is in the backup twice`);
      }
      if (codeOf(error) !== 'ENOENT') throw explain(error, path);
      this.#makeParents(path);
      return openSync(this.locate(path), 'wx', 0o600);
    }
  }

  #openOrCreate(path: string, mode: number): number {
    try {
      return openSync(this.locate(path), 'r+');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw explain(error, path);
      const fd = this.#create(path);
      this.#dress(fd, mode);
      return fd;
    }
  }

  #dress(fd: number, mode: number): void {
    if (this.#owner !== undefined) fchownSync(fd, this.#owner.uid, this.#owner.gid);
    if ((mode & PERMISSIONS) !== 0o600) fchmodSync(fd, (mode & PERMISSIONS) | 0o600);
  }

  /** Parts arrive in any order, so a file may come before its directory. */
  #makeParents(path: string): void {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const parent = this.locate(path.slice(0, slash));
      try {
        mkdirSync(parent, 0o700);
        if (this.#owner !== undefined) chownSync(parent, this.#owner.uid, this.#owner.gid);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw explain(error, path);
      }
    }
  }
}

async function writeChunk(fd: number, chunk: Buffer, at: number): Promise<void> {
  if (chunk.length <= SMALL_WRITE) {
    for (let done = 0; done < chunk.length; )
      done += writeSync(fd, chunk, done, chunk.length - done, at + done);
    return;
  }
  for (let done = 0; done < chunk.length; ) done += await writeAsync(fd, chunk, done, at + done);
}

function writeAsync(fd: number, chunk: Buffer, from: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, chunk, from, chunk.length - from, at, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}

function explain(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PgarcError('no-space', `no space left for ${path}: ${messageOf(error)}`, { cause: error });
  }
  return error;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
