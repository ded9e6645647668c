import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { isMissing } from '../../system/file-error.ts';
import { unlessAborted } from '../abortable.ts';
import { compareKeys, isTemporaryName } from '../key.ts';
import type { ListOptions, ObjectInfo } from '../store.ts';
import { assertRoot, type FolderContext, pathOf, toFolderError } from './root.ts';

/** Files looked at at once: hides the latency of a network file system. */
const STATS_AT_ONCE = 32;

/** Deepest nesting followed, so that a symbolic link to a folder above it ends. */
const MAX_DEPTH = 64;

interface Listing {
  context: FolderContext;
  prefix: string;
  startAfter: string;
  signal: AbortSignal | undefined;
}

/**
 * All files whose key starts with `prefix`, in bytewise order of keys. Holds the names of one folder a level.
 */
export async function* listFiles(
  context: FolderContext,
  prefix: string,
  { signal, startAfter = '' }: ListOptions,
): AsyncGenerator<ObjectInfo> {
  await assertRoot(context);
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (folder.split('/').some((name) => name === '.' || name === '..')) return;
  yield* walk({ context, prefix, startAfter, signal }, folder, 0);
}

/** @param folder with a slash at its end, or empty for the root */
async function* walk(listing: Listing, folder: string, depth: number): AsyncGenerator<ObjectInfo> {
  if (depth > MAX_DEPTH) return;
  const { context, startAfter, signal } = listing;
  // Folders whose turn has not come, the next one last: `a/` comes before `a`'s neighbour `a0`, but behind `a.b`.
  const folders: string[] = [];
  const names = await readNames(listing, folder);
  for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
    signal?.throwIfAborted();
    const keys = names.slice(at, at + STATS_AT_ONCE).map((name) => folder + name);
    const batch = await Promise.all(keys.map((key) => statListed(context, key)));
    for (const [i, key] of keys.entries()) {
      const found = batch[i];
      while (folders.length > 0 && compareKeys(folders.at(-1)!, key) < 0) {
        yield* walk(listing, folders.pop()!, depth + 1);
      }
      if (found?.isDirectory()) folders.push(`${key}/`);
      else if (found?.isFile() && compareKeys(key, startAfter) > 0) {
        yield { key, size: found.size, modified: found.mtime };
      }
    }
  }
  while (folders.length > 0) yield* walk(listing, folders.pop()!, depth + 1);
}

/**
 * Names in a folder in bytewise order, without those of which nothing can be listed. Only names are read: to tell
 * their kinds, Node looks at each entry where the file system does not say them, and fails with "no such file" when
 * one is removed meanwhile.
 */
async function readNames(listing: Listing, folder: string): Promise<string[]> {
  const { context, signal } = listing;
  signal?.throwIfAborted();
  let names: string[];
  try {
    names = await unlessAborted(readdir(pathOf(context, folder)), signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMissing(error)) throw toFolderError(error, context, 'list', folder);
    await assertRoot(context);
    return [];
  }
  const begin = listing.prefix.slice(folder.length);
  return names
    .filter((name) => name.startsWith(begin) && !isTemporaryName(name) && isAhead(listing, folder + name))
    .sort(compareKeys);
}

/** Whether a key can be that of a file that is listed, or of a folder that holds one, as far as `startAfter` says. */
function isAhead({ startAfter }: Listing, key: string): boolean {
  return startAfter === '' || compareKeys(`${key}/`, startAfter) >= 0 || startAfter.startsWith(`${key}/`);
}

/** A file that was removed since its folder was read is not listed. */
async function statListed(context: FolderContext, key: string): Promise<Stats | undefined> {
  try {
    return await stat(pathOf(context, key));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw toFolderError(error, context, 'look at', key);
  }
}
