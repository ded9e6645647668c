import { opendir, stat } from 'node:fs/promises';
import { isMissing } from '../../system/file-error.ts';
import { compareKeys, isTemporaryName } from '../key.ts';
import type { ListOptions, ObjectInfo } from '../store.ts';
import { assertRoot, type FolderContext, pathOf, toFolderError } from './root.ts';

/** Files looked at at once: hides the latency of a network file system. */
const STATS_AT_ONCE = 32;

/** Deepest nesting followed, so that a symbolic link to a folder above it ends. */
const MAX_DEPTH = 64;

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
  yield* walk(context, folder, prefix, startAfter, signal, 0);
}

/** @param folder with a slash at its end, or empty for the root */
async function* walk(
  context: FolderContext,
  folder: string,
  prefix: string,
  startAfter: string,
  signal: AbortSignal | undefined,
  depth: number,
): AsyncGenerator<ObjectInfo> {
  if (depth > MAX_DEPTH) return;
  let batch: string[] = [];
  for (const name of await readNames(context, folder, signal)) {
    const key = folder + name;
    if (name.endsWith('/')) {
      yield* statBatch(context, batch, signal);
      batch = [];
      if (!key.startsWith(prefix) && !prefix.startsWith(key)) continue;
      if (compareKeys(key, startAfter) < 0 && !startAfter.startsWith(key)) continue;
      yield* walk(context, key, prefix, startAfter, signal, depth + 1);
    } else if (key.startsWith(prefix) && compareKeys(key, startAfter) > 0) {
      batch.push(key);
      if (batch.length === STATS_AT_ONCE) {
        yield* statBatch(context, batch, signal);
        batch = [];
      }
    }
  }
  yield* statBatch(context, batch, signal);
}

/** Names in a folder in the order of keys, folders with a slash at their end; temporary files left out. */
async function readNames(
  context: FolderContext,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(pathOf(context, folder), { bufferSize: 256 })) {
      signal?.throwIfAborted();
      if (entry.isDirectory()) names.push(`${entry.name}/`);
      else if (entry.isFile()) {
        if (!isTemporaryName(entry.name)) names.push(entry.name);
      } else if (await isFolder(pathOf(context, folder + entry.name))) names.push(`${entry.name}/`);
      else names.push(entry.name);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMissing(error)) throw toFolderError(error, context, 'list', folder);
    await assertRoot(context);
    return [];
  }
  return names.sort(compareKeys);
}

async function* statBatch(
  context: FolderContext,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectInfo> {
  signal?.throwIfAborted();
  for (const info of await Promise.all(keys.map((key) => statListed(context, key)))) {
    if (info !== undefined) yield info;
  }
}

/** A file that was removed since its folder was read is not listed. */
async function statListed(context: FolderContext, key: string): Promise<ObjectInfo | undefined> {
  try {
    const found = await stat(pathOf(context, key));
    return found.isFile() ? { key, size: found.size, modified: found.mtime } : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw toFolderError(error, context, 'look at', key);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
