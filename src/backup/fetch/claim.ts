import { chown, mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, PgarcError } from '../../errors.ts';
import { codeOf } from '../../system/file-error.ts';
import { toPath } from '../format/name-bytes.ts';
import type { Owner } from './owner.ts';
import { syncDirectory } from './sync.ts';

/** A directory that a restore fills. */
export interface Claim {
  path: string;
  /** The directories that were made for it, those above it first. */
  made: readonly string[];
}

/**
 * Makes a directory, and those above it, where it is absent.
 * @param owner of what is made, when that is not the user who runs this
 * @throws PgarcError `refused`
 */
export async function claimDirectory(path: string, owner: Owner | undefined): Promise<Claim> {
  const made: string[] = [];
  try {
    const absent: string[] = [];
    for (let one = path; !(await isDirectory(one)) && one !== dirname(one); one = dirname(one))
      absent.unshift(one);
    for (const one of absent) {
      if (!(await makeDirectory(one))) continue;
      made.push(one);
      if (owner !== undefined) await chown(toPath(one), owner.uid, owner.gid);
      await syncDirectory(toPath(dirname(one)));
    }
    return { path, made };
  } catch (error) {
    await releaseClaim({ path, made }).catch(() => undefined);
    throw new PgarcError('refused', `${path} cannot be made: ${messageOf(error)}`, { cause: error });
  }
}

/** Removes the directories that were made for a claim, as long as they are empty: others may use them by now. */
export async function releaseClaim(claim: Claim): Promise<void> {
  for (const one of claim.made.toReversed()) {
    try {
      await rmdir(toPath(one));
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
      if (code !== 'ENOENT') throw error;
    }
  }
}

/** @returns false when another has made it meanwhile */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(toPath(path), { mode: 0o700 });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await isDirectory(path))) return false;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(toPath(path)).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
