import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { codeOf, isMissing } from '../../system/file-error.ts';
import { untilAborted } from '../abortable.ts';
import type { PutOutcome } from '../store.ts';
import { assertRoot, type FolderContext, pathOf, toFolderError } from './root.ts';

/** How often a parent folder is made again that another process has just removed because it was empty. */
const PARENT_ATTEMPTS = 5;

/** What `link` answers where the file system has no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** How a finished temporary file gets its place. */
export type Place = (context: FolderContext, temporary: string, path: string) => Promise<PutOutcome>;

export interface Written {
  bytes: number;
  outcome: PutOutcome;
}

/**
 * Writes a file out of chunks, whole or not at all: a temporary file is filled, synced, and given its place.
 * What `body` throws and the signal's reason are thrown on.
 */
export async function writeFile(
  context: FolderContext,
  key: string,
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
  place: Place,
  signal?: AbortSignal,
): Promise<Written> {
  signal?.throwIfAborted();
  const path = pathOf(context, key);
  const { file, temporary } = await openTemporary(context, key, path);
  let isPlaced = false;
  try {
    let bytes = 0;
    try {
      for await (const chunk of Array.isArray(body)
        ? body
        : untilAborted(body as AsyncIterable<Uint8Array>, signal)) {
        await onStore(context, key, () => writeAll(file, chunk));
        bytes += chunk.length;
      }
      await onStore(context, key, () => file.sync());
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    const outcome = await onStore(context, key, () => place(context, temporary, path));
    isPlaced = true;
    if (outcome === 'exists') await settle(context, key);
    else await onStore(context, key, () => settleFolder(context, dirname(path)));
    return { bytes, outcome };
  } finally {
    if (!isPlaced) await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Runs a call on the store's files; what it throws is about the store. */
async function onStore<T>(context: FolderContext, key: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toFolderError(error, context, 'write', key);
  }
}

/** Puts the file in the place of an older one. */
export async function replace(_context: FolderContext, temporary: string, path: string): Promise<PutOutcome> {
  await rename(temporary, path);
  return 'stored';
}

/** Gives the file its place only where there is none. */
export async function createOnly(
  context: FolderContext,
  temporary: string,
  path: string,
): Promise<PutOutcome> {
  if (context.canLink) {
    try {
      await link(temporary, path);
      await rm(temporary, { force: true });
      return 'stored';
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return endAbsent(temporary);
      if (!NO_LINKS.has(codeOf(error) ?? '')) throw error;
      context.canLink = false;
      context.emit({
        type: 'warning',
        message: `the file system of ${context.root} has no hard links, so two writers of one object at the same moment are not told apart`,
      });
    }
  }
  if (await exists(path)) return endAbsent(temporary);
  return replace(context, temporary, path);
}

async function endAbsent(temporary: string): Promise<PutOutcome> {
  await rm(temporary, { force: true });
  return 'exists';
}

async function openTemporary(
  context: FolderContext,
  key: string,
  path: string,
): Promise<{ file: FileHandle; temporary: string }> {
  const folder = dirname(path);
  for (let attempt = 1; ; attempt++) {
    const temporary = `${folder}/.pgarc-${process.pid}-${randomBytes(8).toString('hex')}.tmp`;
    try {
      return { file: await open(temporary, 'wx', 0o640), temporary };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === PARENT_ATTEMPTS) {
        throw toFolderError(error, context, 'write', key);
      }
    }
    await assertRoot(context);
    try {
      await makeParents(context.root, folder);
    } catch (error) {
      if (!isMissing(error)) throw toFolderError(error, context, 'make the folder of', key);
    }
  }
}

/** Makes the folders between the root and `folder`. */
async function makeParents(root: string, folder: string): Promise<void> {
  let parent = root;
  for (const name of relative(root, folder).split('/')) {
    const child = `${parent}/${name}`;
    try {
      await mkdir(child, 0o750);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    parent = child;
  }
}

/**
 * Makes a file durable that another process gave its place: that one may have been killed before it came to it,
 * and a crash of the machine would take the file away from whoever relies on it by now.
 */
export async function settle(context: FolderContext, key: string): Promise<void> {
  const path = pathOf(context, key);
  await onStore(context, key, async () => {
    try {
      await context.sync(path);
      await settleFolder(context, dirname(path));
    } catch (error) {
      // It is gone by now, which whoever looks at it finds out.
      if (!isMissing(error)) throw error;
    }
  });
}

/** Makes the names in a folder durable and, the first time, those that lead to it, whoever made them. */
async function settleFolder(context: FolderContext, folder: string): Promise<void> {
  await context.sync(folder);
  if (context.settled.has(folder)) return;
  for (let path = folder; path.startsWith(`${context.root}/`); ) {
    path = dirname(path);
    await context.sync(path);
  }
  context.settled.add(folder);
}

/** Syncs a file or a folder. Some network file systems cannot and say so; there it is not needed. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } catch (error) {
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    offset += (await file.write(chunk, offset, chunk.length - offset)).bytesWritten;
  }
}

/** Whether there is a file already. Any other error than that there is none is thrown: it may be one. */
async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
