import { open, readdir, stat } from 'node:fs/promises';
import { PgarcError } from '../../errors.ts';
import { loadSyncfs, type Syncfs } from '../../system/syncfs.ts';
import { toPath } from '../format/name-bytes.ts';
import { mapParallel } from '../map-parallel.ts';

const PARALLEL_SYNCS = 16;

/** What a file system answers that could not write: what was written before may be gone. */
const LOSSES: Readonly<Record<string, string>> = {
  EIO: 'an input/output error',
  ENOSPC: 'no space left',
  EDQUOT: 'the quota is used up',
};

/**
 * Makes everything below the directories durable: one syncfs(2) a file system where that tells of failures,
 * else an fsync of every file and directory. A cluster of many tables has several files a table, and a file
 * system writes them in one go in a fraction of the time.
 * @throws PgarcError `failed` or `no-space` when something could not be written; errors of the file system
 */
export async function syncTrees(
  paths: readonly string[],
  signal: AbortSignal,
  syncfs: Promise<Syncfs | undefined> = loadSyncfs(),
): Promise<void> {
  const devices = new Map<number, string[]>();
  for (const path of paths) {
    const { dev } = await stat(toPath(path));
    devices.set(dev, [...(devices.get(dev) ?? []), path]);
  }
  for (const together of devices.values()) {
    const failure = await (await syncfs)?.(toPath(together[0] ?? ''));
    if (failure === '') continue;
    const loss = LOSSES[failure ?? ''];
    if (loss !== undefined) {
      throw new PgarcError(
        failure === 'EIO' ? 'failed' : 'no-space',
        `the file system of ${together.join(', ')} could not write what was restored: ${loss}`,
        { hint: 'See what the kernel says (dmesg), and restore anew once it is repaired, or elsewhere.' },
      );
    }
    // It does not do it (a sandbox, a file system in user space): that says nothing of the files.
    for (const path of together) await syncEach(path, signal);
  }
}

/** Makes one file durable. */
export async function syncFile(path: string | Buffer): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes the names in a directory durable, where that can be done: one that this user may not read, such as the one
 * above the data directory, and a file system that syncs none are no failure, as in PostgreSQL (fsync_fname_ext).
 */
export async function syncDirectory(path: string | Buffer): Promise<void> {
  try {
    await syncFile(path);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' && syscall === 'open') return;
    if (code === 'EINVAL' && syscall === 'fsync') return;
    throw error;
  }
}

async function syncEach(root: string, signal: AbortSignal): Promise<void> {
  const tasks: (() => Promise<void>)[] = [];
  await collect(Buffer.from(toPath(root)), tasks);
  await mapParallel(tasks, PARALLEL_SYNCS, (task) => task(), signal);
}

/** Files and directories below `path`, itself included. Names are bytes, since one need not be UTF-8. */
async function collect(path: Buffer, tasks: (() => Promise<void>)[]): Promise<void> {
  tasks.push(() => syncDirectory(path));
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const inner = Buffer.concat([path, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) await collect(inner, tasks);
    else if (entry.isFile()) tasks.push(() => syncFile(inner));
  }
}
