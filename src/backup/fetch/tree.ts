import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import { messageOf, PgarcError } from '../../errors.ts';
import { codeOf, isFull } from '../../system/file-error.ts';
import { toPath } from '../format/name-bytes.ts';
import { FileCreator } from './create-file.ts';
import { DIRECT_FROM, DirectFile } from './direct-file.ts';
import type { Owner } from './owner.ts';
import { type SlotPair, SlotPairs } from './slot-pairs.ts';
import { writeChunk } from './write-file.ts';

const PERMISSIONS = 0o777;
/** Large files written at the same time. */
const DIRECT_FILES = 8;

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
  readonly #slots = new SlotPairs(DIRECT_FILES);
  readonly #creator = new FileCreator();
  #canWriteDirectly = constants.O_DIRECT !== undefined;

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
   * @param size what it will have, bytes
   * @throws PgarcError `object-damaged` when it is, `no-space`; errors of the file system
   */
  async writeFile(path: string, mode: number, size: number, body: AsyncIterable<Buffer>): Promise<Written> {
    if (size >= DIRECT_FROM && this.#canWriteDirectly) {
      const written = await this.#writeDirectly(path, mode, body);
      if (written !== undefined) return written;
    }
    return await this.#writeCached(path, mode, body);
  }

  async #writeCached(path: string, mode: number, body: AsyncIterable<Buffer>): Promise<Written> {
    const fd = await this.#create(path);
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

  /** @returns undefined, with the body untouched, where the file system cannot do it */
  async #writeDirectly(
    path: string,
    mode: number,
    body: AsyncIterable<Buffer>,
  ): Promise<Written | undefined> {
    const slots = await this.#slots.take();
    try {
      const file = this.#openDirectly(path, slots);
      if (file === undefined) return undefined;
      try {
        for await (const chunk of body) await file.append(chunk);
        await file.finish();
        this.#dress(file.fd, mode);
      } catch (error) {
        throw explain(error, path);
      } finally {
        await file.close();
      }
      return { size: file.size, crc32c: file.crc32c };
    } finally {
      this.#slots.give(slots);
    }
  }

  #openDirectly(path: string, slots: SlotPair): DirectFile | undefined {
    this.#makeParents(path);
    try {
      return new DirectFile(this.locate(path), slots);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw twice(path);
      if (codeOf(error) !== 'EINVAL') throw explain(error, path);
      // The name may have been made before the flag was refused.
      rmSync(this.locate(path), { force: true });
      this.#canWriteDirectly = false;
      return undefined;
    }
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
  async openForPages(path: string, mode: number, size: number) {
    const fd = await this.#openOrCreate(path, mode);
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
    return toPath(path === '' ? this.root : `${this.root}/${path}`);
  }

  async #create(path: string): Promise<number> {
    try {
      return await this.#creator.create(this.locate(path));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw twice(path);
      if (codeOf(error) !== 'ENOENT') throw explain(error, path);
      this.#makeParents(path);
      return await this.#creator.create(this.locate(path));
    }
  }

  async #openOrCreate(path: string, mode: number): Promise<number> {
    try {
      return openSync(this.locate(path), 'r+');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw explain(error, path);
      const fd = await this.#create(path);
      try {
        this.#dress(fd, mode);
      } catch (failure) {
        closeSync(fd);
        throw explain(failure, path);
      }
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

function twice(path: string): PgarcError {
  return new PgarcError('object-damaged', `${path} is in the backup twice`);
}

function explain(error: unknown, path: string): unknown {
  if (isFull(error)) {
    return new PgarcError('no-space', `no space left for ${path}: ${messageOf(error)}`, { cause: error });
  }
  return error;
}
