import type { BigIntStats } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadNative } from '../system/native.ts';

/**
 * Makes an empty file with another's time of change, to the nanosecond: whoever finds it neither newer nor
 * older than a file has the file it was made for. (`test -nt` and `-ot`; busybox compares whole seconds.)
 * @returns false when this file system or this platform cannot do it exactly; then there is no file
 */
export async function copyModified(from: BigIntStats, path: string): Promise<boolean> {
  const native = await loadNative();
  if (native === undefined) return false;
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    const isExact =
      native.setModified(handle.fd, from.mtimeNs) &&
      (await handle.stat({ bigint: true })).mtimeNs === from.mtimeNs;
    if (isExact) await rename(temporary, path);
    else await rm(temporary, { force: true });
    return isExact;
  } finally {
    await handle.close();
  }
}

/** Where the launcher looks for word of a file. */
export function markerPath(folder: string, name: string): string {
  return join(folder, `${name}.ok`);
}
