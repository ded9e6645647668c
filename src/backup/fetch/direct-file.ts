import { closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import { codeOf } from '../../system/file-error.ts';
import { SLOT_BYTES, type SlotPair } from './slot-pairs.ts';
import { writeChunk } from './write-file.ts';

/** From this size on a file is written past the page cache, bytes. */
export const DIRECT_FROM = 8 * 1024 * 1024;

/** Every block device's logical block divides it. */
const ALIGNMENT = 4096;

/**
 * A large file that is written past the page cache (O_DIRECT): a restore that fills memory with pages to be
 * written pays for copying them there, for finding them room, and again for waiting until they are on disk.
 */
export class DirectFile {
  fd: number;
  size = 0;
  crc32c = 0;
  readonly #path: string | Buffer;
  readonly #slots: SlotPair;
  #turn: 0 | 1 = 0;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();
  #written = 0;

  /** @throws EINVAL where the file system knows no such writes; other errors of open(2) */
  constructor(path: string | Buffer, slots: SlotPair) {
    this.#path = path;
    this.#slots = slots;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT;
    this.fd = openSync(path, flags, 0o600);
  }

  async append(chunk: Buffer): Promise<void> {
    this.crc32c = crc32c(chunk, this.crc32c);
    this.size += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#slots[this.#turn], this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled === SLOT_BYTES) await this.#flush();
    }
  }

  /** Writes the rest. The last block is filled up with zeros, which are cut off again. */
  async finish(): Promise<void> {
    const end = Math.ceil(this.#filled / ALIGNMENT) * ALIGNMENT;
    this.#slots[this.#turn].fill(0, this.#filled, end);
    this.#filled = end;
    if (end > 0) await this.#flush();
    await this.#writing;
    if (this.#written !== this.size) ftruncateSync(this.fd, this.size);
  }

  /** Closes it once nothing is written any more; the slots are free after that. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    closeSync(this.fd);
  }

  /** Begins to write the filled slot when the other one has been written. */
  async #flush(): Promise<void> {
    const slot = this.#slots[this.#turn].subarray(0, this.#filled);
    const at = this.#written;
    this.#written += slot.length;
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#filled = 0;
    await this.#writing;
    this.#writing = this.#write(slot, at);
    this.#writing.catch(() => undefined);
  }

  async #write(slot: Buffer, at: number): Promise<void> {
    try {
      await writeChunk(this.fd, slot, at);
    } catch (error) {
      // Some file systems take the flag and refuse the writes.
      if (codeOf(error) !== 'EINVAL') throw error;
      const fd = openSync(this.#path, 'r+');
      closeSync(this.fd);
      this.fd = fd;
      await writeChunk(fd, slot, at);
    }
  }
}
