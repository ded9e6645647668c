import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../../errors.ts';
import type { Emit } from '../../report/events.ts';
import { codeOf, isFull, isMissing } from '../../system/file-error.ts';

export interface FolderContext {
  /** Absolute path of the store. */
  readonly root: string;
  readonly emit: Emit;
  /** Whether the file system knows hard links, as far as seen. */
  canLink: boolean;
  /** Folders whose own names are durable: each way from the root is synced once. */
  readonly settled: Set<string>;
  /** Makes the contents of a file, or the names in a folder, durable. */
  readonly sync: (path: string) => Promise<void>;
}

export function pathOf(context: FolderContext, key: string): string {
  return join(context.root, key);
}

/**
 * Makes sure that the store is there, before "no such file" is taken for "no such object".
 * @throws PgarcError `store-unreachable`
 */
export async function assertRoot(context: FolderContext): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(context.root)).isDirectory();
  } catch (error) {
    if (!isMissing(error)) throw toFolderError(error, context, 'look at', '');
    throw new PgarcError('store-unreachable', `the store's folder ${context.root} does not exist`, {
      retryable: true,
      cause: error,
      hint: 'Mount it, or create it with mkdir; pgarc does not, because a file system that is not mounted looks the same.',
    });
  }
  if (!isDirectory) {
    throw new PgarcError('store-unreachable', `the store ${context.root} is not a folder`, {
      retryable: false,
    });
  }
}

/** Codes that an NFS server which is away for a while, or a loose cable, gives. */
const PASSING = new Set(['EIO', 'ESTALE', 'ETIMEDOUT', 'EHOSTDOWN', 'ENOTCONN', 'EAGAIN', 'EBUSY', 'EMFILE']);

/**
 * What a failed call on a file of the store means: `no-space` when the disk or the quota is full (nothing was
 * changed), else `store-unreachable`, retryable where the cause may pass.
 */
export function toFolderError(
  error: unknown,
  context: FolderContext,
  doing: string,
  key: string,
): PgarcError {
  if (error instanceof PgarcError) return error;
  const code = codeOf(error);
  const what = key === '' ? context.root : `${key} in ${context.root}`;
  if (isFull(error)) {
    const full = code === 'ENOSPC' ? 'its file system is full' : 'its quota is used up';
    return new PgarcError('no-space', `cannot ${doing} ${what}: ${full}`, {
      cause: error,
      hint: 'Free space in the store, for instance with `pgarc retain --confirm`; without --confirm it only shows what it would delete.',
    });
  }
  const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new PgarcError('store-unreachable', `cannot ${doing} ${what}: ${messageOf(error)}`, {
    cause: error,
    retryable: code !== undefined && PASSING.has(code),
    ...(denied ? { hint: 'Let the account pgarc runs under read and write that folder.' } : {}),
  });
}
