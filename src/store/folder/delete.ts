import { opendir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, isMissing } from '../../system/file-error.ts';
import { isTemporaryName } from '../key.ts';
import { assertRoot, type FolderContext, pathOf, toFolderError } from './root.ts';

/** Removes files, and folders that are empty then. One that is already gone is no error. */
export async function removeFiles(
  context: FolderContext,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await assertRoot(context);
  const folders = new Set<string>();
  for (const key of keys) {
    signal?.throwIfAborted();
    try {
      await unlink(pathOf(context, key));
      folders.add(dirname(pathOf(context, key)));
    } catch (error) {
      if (!isMissing(error) && codeOf(error) !== 'EISDIR') throw toFolderError(error, context, 'remove', key);
    }
  }
  // Durable before the next call: a sentinel must not come back after its parts are gone.
  for (const folder of folders) await settleFolder(context, folder);
}

/** Syncs a folder, or removes it and its parents as far as they are empty. */
async function settleFolder(context: FolderContext, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(`${context.root}/`); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      if (isMissing(error)) continue;
      await syncQuietly(context, path);
      return;
    }
  }
  await syncQuietly(context, context.root);
}

async function syncQuietly(context: FolderContext, path: string): Promise<void> {
  try {
    await context.sync(path);
  } catch (error) {
    if (!isMissing(error)) throw toFolderError(error, context, 'sync', path);
  }
}

/**
 * Removes temporary files last written before `before`: those of processes that were killed.
 * @returns how many
 */
export async function sweepTemporaryFiles(
  context: FolderContext,
  before: Date,
  signal?: AbortSignal,
): Promise<number> {
  await assertRoot(context);
  return sweepFolder(context, context.root, before, signal);
}

async function sweepFolder(
  context: FolderContext,
  folder: string,
  before: Date,
  signal: AbortSignal | undefined,
): Promise<number> {
  let swept = 0;
  try {
    for await (const entry of await opendir(folder)) {
      signal?.throwIfAborted();
      const path = join(folder, entry.name);
      if (entry.isDirectory()) swept += await sweepFolder(context, path, before, signal);
      else if (isTemporaryName(entry.name) && (await sweepFile(path, before))) swept += 1;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMissing(error)) throw toFolderError(error, context, 'sweep', folder);
  }
  return swept;
}

async function sweepFile(path: string, before: Date): Promise<boolean> {
  try {
    if ((await stat(path)).mtime >= before) return false;
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
