import { type FileHandle, lstat, open, readFile, rm } from 'node:fs/promises';
import { isPgarcError, messageOf, PgarcError } from '../../errors.ts';
import { quoteForShell } from '../../report/shell.ts';
import { codeOf, isFull } from '../../system/file-error.ts';
import { holdLock } from '../../system/file-lock.ts';
import { loadNative } from '../../system/native.ts';
import { toPath } from '../format/name-bytes.ts';
import { type Claim, claimDirectory, releaseClaim } from './claim.ts';
import { formatMark, listBesideMark, MARK, type Mark, parseMark } from './mark.ts';
import type { Owner } from './owner.ts';
import { syncDirectory } from './sync.ts';

/** A directory whose mark this process keeps locked. */
export interface Taken {
  claim: Claim;
  handle: FileHandle;
  /** What an earlier attempt had written on the mark. */
  mark: Mark | undefined;
  /** Whether anything but the mark lies in it, seen under the lock. */
  isOccupied: boolean;
}

/** The mark of a directory, for node:fs. */
export function markOf(directory: string): string | Buffer {
  return toPath(`${directory}/${MARK}`);
}

/** What is on a directory's mark; undefined when there is none, or nothing whole is on it. */
export async function readMark(directory: string): Promise<Mark | undefined> {
  return parseMark(await readFile(markOf(directory), 'utf8').catch(() => ''));
}

/**
 * Makes a directory where it is absent, and locks its mark, which is made where there is none.
 * @throws PgarcError `locked` while another process restores into it, `refused`
 */
export async function takeDirectory(
  path: string,
  owner: Owner | undefined,
  lock: Lock = tryLock,
): Promise<Taken> {
  const claim = await claimDirectory(path, owner);
  let handle: FileHandle | undefined;
  try {
    handle = await lockMark(path, lock);
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    const mark = parseMark(await handle.readFile('utf8'));
    return { claim, handle, mark, isOccupied: (await listBesideMark(path)).length > 0 };
  } catch (error) {
    await handle?.close();
    await releaseClaim(claim).catch(() => undefined);
    throw error;
  }
}

/** Undoes the taking; whatever lies in the directory stays, and an earlier attempt's mark with it. */
export async function leaveDirectory(taken: Taken): Promise<void> {
  if (taken.mark === undefined) await removeMark(taken);
  await taken.handle.close();
  await releaseClaim(taken.claim);
}

/** Writes this attempt's mark in the place of an earlier one's. */
export async function writeMark(taken: Taken, id: string): Promise<void> {
  await taken.handle.truncate(0);
  await addToMark(taken, { id });
  await syncDirectory(toPath(taken.claim.path));
}

/** Adds a line to the mark, which is on disk when this returns. */
export async function addToMark(taken: Taken, line: Partial<Mark>): Promise<void> {
  await taken.handle.appendFile(formatMark(line));
  await taken.handle.sync();
}

/** Takes the mark away; the lock stays until the handle is closed. */
export async function removeMark(taken: Taken): Promise<void> {
  await rm(markOf(taken.claim.path), { force: true });
  await syncDirectory(toPath(taken.claim.path));
}

/**
 * Looks at the lock of a directory that has a mark.
 * @throws PgarcError `locked` when another process has it, or may have it
 */
export async function requireUntaken(path: string, lock: Lock = tryLock): Promise<void> {
  const handle = await open(markOf(path), 'r+').catch(() => undefined);
  if (handle === undefined) return;
  try {
    if (!(await lock(handle, path))) throw perhapsBusy(path);
  } finally {
    await handle.close();
  }
}

/** Locks an open mark. @returns false where there are no locks @throws PgarcError `locked` */
export type Lock = (handle: FileHandle, directory: string) => Promise<boolean>;

async function tryLock(handle: FileHandle, directory: string): Promise<boolean> {
  if ((await loadNative()) === undefined) return false;
  try {
    await holdLock(handle, directory);
    return true;
  } catch (error) {
    if (isPgarcError(error, 'locked')) throw busy(directory, error.details?.pid);
    return false;
  }
}

/** @throws PgarcError `locked` */
async function lockMark(directory: string, lock: Lock): Promise<FileHandle> {
  const path = markOf(directory);
  const made = await openMark(directory, 'ax+');
  const handle = made ?? (await openMark(directory, 'a+'));
  if (handle === undefined) throw busy(directory);
  try {
    const isLocked = await lock(handle, directory);
    // A mark that this process has made is its own, with a lock or without.
    if (!isLocked && made === undefined) throw perhapsBusy(directory);
    const [held, there] = [await handle.stat(), await lstat(path).catch(() => undefined)];
    // The one that had the lock has ended, and its mark with it.
    if (held.ino !== there?.ino || held.dev !== there.dev) throw busy(directory);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @returns undefined when `ax+` finds one */
async function openMark(directory: string, flags: 'ax+' | 'a+'): Promise<FileHandle | undefined> {
  try {
    return await open(markOf(directory), flags, 0o600);
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return undefined;
    throw new PgarcError(
      isFull(cause) ? 'no-space' : 'refused',
      `${directory} cannot be written to: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** @param pid of the other one, where that is known */
function busy(path: string, pid?: unknown): PgarcError {
  const it = pid === undefined ? 'it' : `process ${pid}`;
  return new PgarcError('locked', `another pgarc restores into ${path}`, {
    hint: `Wait until ${it} has ended, or end it.`,
    ...(pid === undefined ? {} : { details: { pid } }),
  });
}

/** Without locks nobody can tell whether the one that made a mark still lives. */
function perhapsBusy(path: string): PgarcError {
  return new PgarcError('locked', `another pgarc may be restoring into ${path}`, {
    hint: `There are no locks here to tell by. When no other restore runs: rm ${quoteForShell(`${path}/${MARK}`)}`,
  });
}
