import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { CONTROL_FILE, readControlFile } from '../postgres/control-file.ts';
import { lockDirectory } from './lock.ts';
import { nameFolder } from './wal-folder.ts';

/** The data directory the daemon serves, opened. */
export interface Cluster {
  /** Its real path. */
  readonly pgdata: string;
  /** pg_wal and archive_status in it, through a link or not. */
  readonly wal: string;
  readonly status: string;
  /**
   * Of global/pg_control, open for as long as this cluster is served. PostgreSQL writes this file in place for
   * all of a cluster's life, so another inode means another cluster, and one that is open is never reused.
   */
  readonly control: FileHandle;
  /** Closed with it: the lock on the directory. */
  readonly directory: FileHandle;
}

/**
 * Opens the cluster in a data directory.
 * @returns undefined while there is none yet, or none that can be read
 * @throws PgarcError `locked` when another daemon serves it; `failed` when the directory cannot be locked
 */
export async function openDataDirectory(path: string): Promise<Cluster | undefined> {
  const cluster = await findCluster(path);
  if (cluster === undefined) return undefined;
  try {
    await lockDirectory(cluster.directory, cluster.pgdata);
    return cluster;
  } catch (error) {
    await closeCluster(cluster);
    throw error;
  }
}

async function findCluster(path: string): Promise<Cluster | undefined> {
  let directory: FileHandle | undefined;
  let control: FileHandle | undefined;
  try {
    const pgdata = await realpath(path);
    directory = await open(pgdata, 'r');
    control = await open(join(pgdata, CONTROL_FILE), 'r');
    const wal = join(pgdata, 'pg_wal');
    const status = join(wal, 'archive_status');
    await stat(status);
    // initdb and restores write it in passing: one that is not whole yet is none.
    await readControlFile(pgdata);
    return { pgdata, wal, status, control, directory };
  } catch {
    await control?.close();
    await directory?.close();
    return undefined;
  }
}

/** Gives the cluster up: from now on another daemon may lock its directory. */
export async function closeCluster(cluster: Cluster): Promise<void> {
  await cluster.control.close();
  await cluster.directory.close();
}

/** Whether the path still leads to the cluster that was opened. */
export async function isSameCluster(cluster: Cluster, path: string): Promise<boolean> {
  try {
    if ((await realpath(path)) !== cluster.pgdata) return false;
    const [opened, found] = await Promise.all([
      cluster.control.stat({ bigint: true }),
      stat(join(cluster.pgdata, CONTROL_FILE), { bigint: true }),
      stat(cluster.status),
    ]);
    return isSameFile(opened, found);
  } catch {
    return false;
  }
}

/**
 * Whether an absolute path is one in this cluster's pg_wal, whatever links lead there.
 * @param folder what the client calls that folder (nameFolder): in another container the same path may be another's
 */
export async function isInWalFolder(path: string, cluster: Cluster, folder?: string): Promise<boolean> {
  if (!isAbsolute(path)) return false;
  try {
    if ((await realpath(dirname(path))) !== (await realpath(cluster.wal))) return false;
    return folder === undefined || folder === (await nameFolder(cluster.wal));
  } catch {
    return false;
  }
}

/** Whether both are of one inode, whatever its name, size and times. */
export function isSameFile(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}
