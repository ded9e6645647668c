import { copyFile, rename, rm } from 'node:fs/promises';
import { codeOf } from '../system/file-error.ts';

/**
 * Moves a file to where it is wanted, whole or not at all, also to another file system.
 * @returns false when it could not be moved; then there is nothing at `destination` that was not there before
 */
export async function takeFile(from: string, destination: string): Promise<boolean> {
  const temporary = `${destination}.pgarc-${process.pid}`;
  try {
    await rename(from, destination);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') return false;
  }
  try {
    await copyFile(from, temporary);
    await rename(temporary, destination);
    await rm(from, { force: true });
    return true;
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
    return false;
  }
}
