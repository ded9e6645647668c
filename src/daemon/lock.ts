import { type FileHandle, open, readFile } from 'node:fs/promises';
import { messageOf, PgarcError } from '../errors.ts';
import { loadNative } from './native.ts';

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
 * Locks an open file or directory. Where koffi does not run there are no locks: the socket's is left then.
 * @param path for the message
 * @throws PgarcError `locked` that names who has it
 */
export async function holdLock(handle: FileHandle, path: string): Promise<void> {
  const native = await loadNative();
  if (native === undefined || native.lock(handle.fd)) return;
  const pid = await findHolder(handle);
  throw new PgarcError(
    'locked',
    `a daemon${pid === undefined ? '' : ` (pid ${pid})`} already serves ${path}`,
    {
      hint: 'One daemon serves one data directory and one spool; set PGARC_SPOOL and PGDATA for another.',
      ...(pid === undefined ? {} : { details: { pid } }),
    },
  );
}

/** Looks the lock up in /proc/locks: `1: FLOCK  ADVISORY  WRITE 9562 fe:00:10464986 0 EOF`. */
async function findHolder(handle: FileHandle): Promise<number | undefined> {
  const { ino } = await handle.stat();
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  const line = locks.split('\n').find((one) => / FLOCK /.test(one) && one.includes(`:${ino} `));
  const pid = Number(line?.split(/\s+/)[4]);
  return pid > 0 ? pid : undefined;
}
