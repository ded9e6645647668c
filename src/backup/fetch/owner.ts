import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A user and a group by number. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Whom restored files shall belong to when root restores, since PostgreSQL does not run as root: the owner of
 * the data directory, else of the nearest directory above it that is not root's.
 * @returns undefined when no change of owner is needed or possible
 */
export async function chooseOwner(pgdata: string): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (let path = pgdata; ; path = dirname(path)) {
    const { uid, gid } = await stat(path).catch(() => ({ uid: 0, gid: 0 }));
    if (uid !== 0) return { uid, gid };
    if (path === dirname(path)) return undefined;
  }
}
