import { type FileHandle, open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { messageOf, PgarcError } from '../errors.ts';
import { loadNative, type Native } from './native.ts';
import type { DaemonSpool } from './spool.ts';

/** The kernel connects at once, ms. */
const ANSWER_LIMIT = 1000;
/** What connecting fails with when no process listens. */
const NOBODY = ['ENOENT', 'ECONNREFUSED'];

/** Creates and locks a file until it is closed or the process ends, however that is. @throws PgarcError `locked` */
export async function lockFile(path: string): Promise<FileHandle> {
  const handle = await open(path, 'a', 0o600).catch((cause: unknown) => {
    throw new PgarcError('failed', `cannot open ${path}: ${messageOf(cause)}`, { cause });
  });
  try {
    await holdLock(handle, path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Locks a spool for a daemon.
 * @param native where koffi does not run there are no locks: then the socket tells whether somebody serves it
 * @throws PgarcError `locked`
 */
export async function lockSpool(
  spool: DaemonSpool,
  native: Promise<Native | undefined> = loadNative(),
): Promise<FileHandle> {
  const handle = await lockFile(spool.lock);
  if ((await native) !== undefined || !(await isAnswered(spool.socket))) return handle;
  await handle.close();
  throw served(spool.folder, undefined);
}

/**
 * Locks an open file or directory. Where koffi does not run there are no locks, and this does nothing.
 * @param path for the message
 * @throws PgarcError `locked` that names who has it; `failed` when the file system cannot lock
 */
export async function holdLock(handle: FileHandle, path: string): Promise<void> {
  const native = await loadNative();
  const errno = native?.lock(handle.fd) ?? 0;
  if (errno === 0) return;
  if (errno === constants.errno.EWOULDBLOCK) throw served(path, await findHolder(handle));
  throw new PgarcError('failed', `cannot lock ${path}: ${getSystemErrorName(-errno)}`, {
    hint: 'It must be on a file system that locks files and directories by flock(2), which NFS does not.',
  });
}

function served(path: string, pid: number | undefined): PgarcError {
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

/** Looks the lock up in /proc/locks: `1: FLOCK  ADVISORY  WRITE 9562 fe:00:10464986 0 EOF`. */
async function findHolder(handle: FileHandle): Promise<number | undefined> {
  const { ino } = await handle.stat();
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  const line = locks.split('\n').find((one) => / FLOCK /.test(one) && one.includes(`:${ino} `));
  const pid = Number(line?.split(/\s+/)[4]);
  return pid > 0 ? pid : undefined;
}
