import { lstat, opendir, readdir, stat, unlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { codeOf, isMissing } from '../../system/file-error.ts';
import { unlessAborted } from '../abortable.ts';
import { isTemporaryName } from '../key.ts';
import { assertRoot, type FolderContext, toFolderError } from './root.ts';

/** Files looked at at once: hides the latency of a network file system. */
const STATS_AT_ONCE = 32;

/** What the whole file system answers when its server is away; each question may take a minute then. */
const AWAY = new Set(['ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENOTCONN', 'ESTALE']);

interface Sweep {
  readonly context: FolderContext;
  readonly before: Date;
  readonly signal: AbortSignal | undefined;
  swept: number;
  /** Paths that could not be swept. */
  failed: number;
  first: { error: unknown; path: string } | undefined;
}

/**
 * Removes temporary files last written before `before`: those of processes that were killed. Folders it may not
 * read are none that pgarc writes into (`lost+found`) and left alone.
 * @returns how many
 * @throws PgarcError about the first file that could not be removed, after all others were
 */
export async function sweepTemporaryFiles(
  context: FolderContext,
  before: Date,
  signal?: AbortSignal,
): Promise<number> {
  await assertRoot(context);
  const sweep: Sweep = { context, before, signal, swept: 0, failed: 0, first: undefined };
  await sweepFolder(sweep, context.root);
  if (sweep.first !== undefined) {
    const { error, path } = sweep.first;
    const key = relative(context.root, path);
    const what = sweep.failed === 1 ? key : `${sweep.failed} files or folders, the first is ${key}`;
    throw toFolderError(error, context, 'sweep', what);
  }
  return sweep.swept;
}

async function sweepFolder(sweep: Sweep, folder: string): Promise<void> {
  let found: Found;
  try {
    found = await lookInto(folder, sweep.signal);
  } catch (error) {
    const isForeign =
      (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') && folder !== sweep.context.root;
    if (!isForeign) goOnFrom(sweep, error, folder);
    return;
  }
  for (const path of found.temporary) {
    sweep.signal?.throwIfAborted();
    try {
      if (await sweepFile(path, sweep.before)) sweep.swept += 1;
    } catch (error) {
      goOnFrom(sweep, error, path);
    }
  }
  for (const path of found.folders) await sweepFolder(sweep, path);
}

/** Remembers what failed, unless nothing else can be done either: then it is thrown. */
function goOnFrom(sweep: Sweep, error: unknown, path: string): void {
  const { context, signal } = sweep;
  signal?.throwIfAborted();
  if (isMissing(error)) return;
  if (AWAY.has(codeOf(error) ?? '')) {
    throw toFolderError(error, context, 'sweep', relative(context.root, path));
  }
  sweep.failed += 1;
  sweep.first ??= { error, path };
}

/** What a sweep needs to know of a folder, as paths. */
interface Found {
  temporary: string[];
  folders: string[];
}

async function lookInto(folder: string, signal: AbortSignal | undefined): Promise<Found> {
  const found: Found = { temporary: [], folders: [] };
  try {
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      signal?.throwIfAborted();
      if (entry.isDirectory()) found.folders.push(join(folder, entry.name));
      else if (isTemporaryName(entry.name)) found.temporary.push(join(folder, entry.name));
    }
    return found;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // Where the file system does not tell kinds, Node looks at each entry, and one was removed meanwhile.
  return lookAtEach(folder, signal);
}

async function lookAtEach(folder: string, signal: AbortSignal | undefined): Promise<Found> {
  const found: Found = { temporary: [], folders: [] };
  const names = await unlessAborted(readdir(folder), signal);
  for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
    signal?.throwIfAborted();
    const paths = names.slice(at, at + STATS_AT_ONCE).map((name) => join(folder, name));
    const areFolders = await Promise.all(paths.map(isFolder));
    for (const [i, path] of paths.entries()) {
      if (areFolders[i]) found.folders.push(path);
      else if (isTemporaryName(names[at + i]!)) found.temporary.push(path);
    }
  }
  return found;
}

/** Whether it is a folder itself, not a link to one. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
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
