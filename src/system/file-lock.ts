import { type FileHandle, open, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { messageOf, PgarcError } from '../errors.ts';
import { loadNative } from './native.ts';

/**
 * Creates and locks a file until it is closed or the process ends, however that is.
 * @throws PgarcError as holdLock
 */
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
 * Locks an open file or directory. Where koffi does not run there are no locks, and this does nothing.
 * @param path for the message
 * @throws PgarcError `locked` with `details.pid` where that is known; `failed` when the file system cannot lock
 */
export async function holdLock(handle: FileHandle, path: string): Promise<void> {
  const native = await loadNative();
  const errno = native?.lock(handle.fd) ?? 0;
  if (errno === 0) return;
  if (errno === constants.errno.EWOULDBLOCK) throw locked(path, await findHolder(handle));
  throw new PgarcError('failed', `cannot lock ${path}: ${getSystemErrorName(-errno)}`, {
    hint: 'It must be on a file system that locks files and directories by flock(2), which NFS does not.',
  });
}

function locked(path: string, pid: number | undefined): PgarcError {
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new PgarcError('locked', `${holder} has locked ${path}`, {
    hint: `Wait until ${pid === undefined ? 'it' : holder} has ended, or end it.`,
    ...(pid === undefined ? {} : { details: { pid } }),
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
