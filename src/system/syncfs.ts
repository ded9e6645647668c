import { closeSync, openSync } from 'node:fs';
import { release } from 'node:os';

/**
 * Writes a whole file system to disk, the one that `path` lies on.
 * @returns '' when it worked, else the code of the error, such as EIO
 */
export type Syncfs = (path: string | Buffer) => Promise<string>;

/** Before it, syncfs(2) says nothing of what could not be written. */
const TELLS_FROM = [5, 8] as const;

/** @returns undefined where there is no syncfs, or none that tells of failures */
export async function loadSyncfs(): Promise<Syncfs | undefined> {
  if (process.platform !== 'linux' || !tellsOfFailures(release())) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const syncfs = koffi.load(null).func('int syncfs(int fd)');
    const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));
    return async (path) => {
      const fd = openSync(path, 'r');
      try {
        return await new Promise<string>((resolve) => {
          syncfs.async(fd, (error: unknown, result: number) => {
            if (!error && result === 0) resolve('');
            // errno is the other thread's while koffi calls back.
            else resolve(error ? 'failed' : (names.get(koffi.errno()) ?? 'failed'));
          });
        });
      } finally {
        closeSync(fd);
      }
    };
  } catch {
    return undefined;
  }
}

/** @param version of the kernel, as uname gives it: `6.1.0-18-amd64` */
export function tellsOfFailures(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return major > TELLS_FROM[0] || (major === TELLS_FROM[0] && minor >= TELLS_FROM[1]);
}
