import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { atEnd } from './cleanup.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from './temporary.ts';

const run = promisify(execFile);

/** Mounts a small file system of its own. @returns its directory, or undefined where one may not mount */
export async function mountTmpfs(mebibytes: number): Promise<string | undefined> {
  const folder = await makeTemporaryFolder('tmpfs');
  try {
    await mount(folder, `size=${mebibytes}m,mode=755`);
  } catch {
    return undefined;
  }
  atEnd(async () => {
    await run('umount', ['--lazy', folder]);
  });
  return makeOwnedDirectory(`${folder}/owned`, 0o755);
}

/** Mounts one in a directory that is there. @returns what takes it away, or undefined where one may not mount */
export async function mountTmpfsAt(directory: string): Promise<(() => Promise<void>) | undefined> {
  try {
    await mount(directory, 'size=1m');
  } catch {
    return undefined;
  }
  let isMounted = true;
  const unmount = async () => {
    if (isMounted) await run('umount', [directory]);
    isMounted = false;
  };
  atEnd(unmount);
  return unmount;
}

/** Makes it smaller or larger at once. @returns false when more than that is in it */
export async function resizeTmpfs(directory: string, mebibytes: number): Promise<boolean> {
  return mount(dirname(directory), `remount,size=${mebibytes}m`).then(
    () => true,
    () => false,
  );
}

function mount(folder: string, options: string) {
  return run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
}
