import { stat } from 'node:fs/promises';

/**
 * What two processes call the same folder by, wherever it is mounted for each: device and inode, which differ for
 * any two folders that one kernel knows. A path says nothing between containers.
 * @returns undefined when there is none that can be seen
 */
export async function nameFolder(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
