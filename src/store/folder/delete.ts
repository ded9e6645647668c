import { rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, isMissing } from '../../system/file-error.ts';
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
