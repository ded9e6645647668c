import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { atEnd } from './cleanup.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from './temporary.ts';

const run = promisify(execFile);

/**
 * Mounts a small file system of its own. @returns its directory, or undefined where one may not mount
 */
export async function mountTmpfs(mebibytes: number): Promise<string | undefined> {
  const folder = await makeTemporaryFolder('tmpfs');
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'tmpfs', folder]);
  } catch {
    return undefined;
  }
  atEnd(async () => {
    await run('umount', ['--lazy', folder]);
  });
  return makeOwnedDirectory(`${folder}/owned`, 0o755);
}
