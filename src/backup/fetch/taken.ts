import { type FileHandle, lstat, open, readFile, rm } from 'node:fs/promises';
import { holdLock } from '../../daemon/lock.ts';
import { loadNative } from '../../daemon/native.ts';
import { isPgarcError, messageOf, PgarcError } from '../../errors.ts';
import { toPath } from '../format/name-bytes.ts';
import { type Claim, claimDirectory, releaseClaim } from './claim.ts';
import { formatMark, listBesideMark, MARK, type Mark, parseMark } from './mark.ts';
import type { Owner } from './owner.ts';
import { syncPath } from './sync.ts';

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
export async function takeDirectory(path: string, owner: Owner | undefined): Promise<Taken> {
  const claim = await claimDirectory(path, owner);
  let handle: FileHandle | undefined;
  try {
    handle = await lockMark(path);
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
  await syncPath(toPath(taken.claim.path));
}

export async function addToMark(taken: Taken, line: Partial<Mark>): Promise<void> {
  await taken.handle.appendFile(formatMark(line));
  await taken.handle.sync();
}

/** Takes the mark away; the lock stays until the handle is closed. */
export async function removeMark(taken: Taken): Promise<void> {
  await rm(markOf(taken.claim.path), { force: true });
  await syncPath(toPath(taken.claim.path));
}

/**
 * Looks at the lock of a directory that has a mark.
 * @throws PgarcError `locked` when another process has it
 */
export async function requireUntaken(path: string): Promise<void> {
  const handle = await open(markOf(path), 'r+').catch(() => undefined);
  if (handle === undefined) return;
  try {
    if ((await loadNative()) === undefined) throw perhapsBusy(path);
    await holdLock(handle, path);
  } catch (error) {
    throw isPgarcError(error, 'locked') && error.cause === undefined ? busy(path, error) : error;
  } finally {
    await handle.close();
  }
}

function busy(path: string, cause?: unknown): PgarcError {
  return new PgarcError('locked', `another pgarc restores into ${path}`, {
    hint: 'Wait until it has ended, or end it.',
    cause,
  });
}

/** Without locks nobody can tell whether the one that made a mark still lives. */
function perhapsBusy(path: string, cause: unknown = 'no flock'): PgarcError {
  return new PgarcError('locked', `another pgarc may be restoring into ${path}`, {
    hint: `This system has no locks to tell. When none is: rm ${path}/${MARK}`,
    cause,
  });
}

/** @throws PgarcError `locked` */
async function lockMark(directory: string): Promise<FileHandle> {
  const path = markOf(directory);
  const handle = await openMark(directory);
  try {
    await holdLock(handle, directory);
    const [held, there] = [await handle.stat(), await lstat(path).catch(() => undefined)];
    // The one that had the lock has ended, and its mark with it.
    if (held.ino !== there?.ino || held.dev !== there.dev) throw busy(directory);
    return handle;
  } catch (error) {
    await handle.close();
    throw isPgarcError(error, 'locked') && error.cause === undefined ? busy(directory, error) : error;
  }
}

async function openMark(directory: string): Promise<FileHandle> {
  const canLock = (await loadNative()) !== undefined;
  try {
    return await open(markOf(directory), canLock ? 'a+' : 'ax+', 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw perhapsBusy(directory, cause);
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new PgarcError(
      isFull ? 'no-space' : 'refused',
      `${directory} cannot be written to: ${messageOf(cause)}`,
      { cause },
    );
  }
}
