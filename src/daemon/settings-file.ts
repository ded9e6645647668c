import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isSameFile } from './cluster.ts';

/** Where settings are read from, and the file that was there before they were read. */
export interface SettingsFile {
  readonly path: string;
  /** Held open, so that no other file gets its inode; undefined when there was none. */
  readonly held: { readonly handle: FileHandle; readonly stats: BigIntStats } | undefined;
}

/** Opens it. To be called before the settings are read, and closed by the caller. */
export async function holdSettingsFile(path: string): Promise<SettingsFile> {
  // A pipe may have nobody at its other end any more: not waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return { path, held: undefined };
  return { path, held: { handle, stats: await handle.stat({ bigint: true }) } };
}

/**
 * Whether another file is there, or the same one may have other contents. The time of change alone does not
 * tell: copies keep it, and on read-only systems all files have the same. Nobody can set that of the inode.
 */
export async function hasSettingsFileChanged({ path, held }: SettingsFile): Promise<boolean> {
  const now = await stat(path, { bigint: true }).catch(() => undefined);
  if (now === undefined || held === undefined) return now !== undefined || held !== undefined;
  const { stats } = held;
  return !isSameFile(now, stats) || now.mtimeNs !== stats.mtimeNs || now.ctimeNs !== stats.ctimeNs;
}
