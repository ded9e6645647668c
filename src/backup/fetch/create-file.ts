import { open, openSync } from 'node:fs';
import { promisify } from 'node:util';

const openAsync = promisify(open);

/** Longer than this is longer than the way to a worker thread and back, ms. */
const SLOW = 0.2;
/** Files that are left to the worker threads after a slow one. */
const AFTER_SLOW = 64;

/**
 * Creates files: at once while that takes microseconds, on worker threads while it does not. Where many files
 * were removed in the last minutes, as before a restore, ext4 searches a millisecond for each new one
 * (fs/ext4/ialloc.c, recently_deleted).
 */
export class FileCreator {
  readonly #limit: number;
  #slow = 0;

  /** @param limit ms from which on a creation is slow */
  constructor(limit: number = SLOW) {
    this.#limit = limit;
  }

  /** @returns a descriptor for writing. @throws errors of open(2): EEXIST when there is such a file */
  async create(path: string | Buffer): Promise<number> {
    if (this.#slow > 0) {
      this.#slow--;
      return await openAsync(path, 'wx', 0o600);
    }
    const before = performance.now();
    const fd = openSync(path, 'wx', 0o600);
    if (performance.now() - before > this.#limit) this.#slow = AFTER_SLOW;
    return fd;
  }
}
