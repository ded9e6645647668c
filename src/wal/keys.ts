/** Keys of WAL files in WAL-G's storage version 005, relative to the store's prefix. */

export const WAL = 'wal_005/';

/** `extension` without the dot, empty for an uncompressed file. */
export function walKey(file: string, extension: string): string {
  return extension === '' ? `${WAL}${file}` : `${WAL}${file}.${extension}`;
}
