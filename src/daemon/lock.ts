import type { FileHandle } from 'node:fs/promises';
import { connect } from 'node:net';
import { isPgarcError, PgarcError } from '../errors.ts';
import { holdLock, lockFile } from '../system/file-lock.ts';
import { loadNative, type Native } from '../system/native.ts';
import type { DaemonSpool } from './spool.ts';

/** The kernel connects at once, ms. */
const ANSWER_LIMIT = 1000;
/** What connecting fails with when no process listens. */
const NOBODY = ['ENOENT', 'ECONNREFUSED'];

/**
 * Locks a spool for a daemon.
 * @param native where koffi does not run there are no locks: then the socket tells whether somebody serves it
 * @throws PgarcError `locked`
 */
export async function lockSpool(
  spool: DaemonSpool,
  native: Promise<Native | undefined> = loadNative(),
): Promise<FileHandle> {
  const handle = await naming(spool.folder, lockFile(spool.lock));
  if ((await native) !== undefined || !(await isAnswered(spool.socket))) return handle;
  await handle.close();
  throw served(spool.folder);
}

/** Locks an open data directory for a daemon. @throws PgarcError `locked`; `failed` when it cannot be locked */
export async function lockDirectory(handle: FileHandle, path: string): Promise<void> {
  await naming(path, holdLock(handle, path));
}

/** Says that whoever has the lock is a daemon. */
async function naming<T>(path: string, locking: Promise<T>): Promise<T> {
  try {
    return await locking;
  } catch (error) {
    throw isPgarcError(error, 'locked') ? served(path, error.details?.pid) : error;
  }
}

function served(path: string, pid?: unknown): PgarcError {
  return new PgarcError(
    'locked',
    `a daemon${pid === undefined ? '' : ` (pid ${pid})`} already serves ${path}`,
    {
      hint: 'One daemon serves one data directory and one spool; set PGARC_SPOOL and PGDATA for another.',
      ...(pid === undefined ? {} : { details: { pid } }),
    },
  );
}

/** Whether a process listens on a socket; the file alone may be what a killed one left. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.on('connect', () => end(true));
    // Too busy to take one more, or another user's: somebody is there.
    socket.on('error', (error: NodeJS.ErrnoException) => end(!NOBODY.includes(error.code ?? '')));
    socket.setTimeout(ANSWER_LIMIT, () => end(true));
  });
}
