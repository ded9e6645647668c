/** Keys of WAL-G's storage version 005, relative to the store's prefix. */

export const BACKUPS = 'basebackups_005/';

const SENTINEL_SUFFIX = '_backup_stop_sentinel.json';

/** The object whose presence makes the backup exist. */
export function sentinelKey(backup: string): string {
  return `${BACKUPS}${backup}${SENTINEL_SUFFIX}`;
}

/** @returns the backup's name, or undefined when `key` is no sentinel's */
export function backupOfSentinelKey(key: string): string | undefined {
  if (!key.startsWith(BACKUPS) || !key.endsWith(SENTINEL_SUFFIX)) return undefined;
  const name = key.slice(BACKUPS.length, -SENTINEL_SUFFIX.length);
  return name.includes('/') || name === '' ? undefined : name;
}

/** Prefix of everything a backup stores but its sentinel. */
export function backupPrefix(backup: string): string {
  return `${BACKUPS}${backup}/`;
}

/** Times, sizes and LSNs in short, which WAL-G reads for its detailed list of backups. */
export function metadataKey(backup: string): string {
  return `${backupPrefix(backup)}metadata.json`;
}

/** Lists the files of the backup, and the members of each tar. */
export function filesMetadataKey(backup: string): string {
  return `${backupPrefix(backup)}files_metadata.json`;
}

/** pgarc's own addition: PostgreSQL's manifest of the backup, with a CRC32C per file. */
export function manifestKey(backup: string): string {
  return `${backupPrefix(backup)}backup_manifest`;
}

/** pgarc's own addition: who wrote the backup, and what its page checksums say. */
export function noteKey(backup: string): string {
  return `${backupPrefix(backup)}pgarc.json`;
}

/** Prefix of the backup's tar archives. */
export function partitionsPrefix(backup: string): string {
  return `${backupPrefix(backup)}tar_partitions/`;
}

/** `name` carries its extension: `part_001.tar.lz4`. */
export function partitionKey(backup: string, name: string): string {
  return `${partitionsPrefix(backup)}${name}`;
}
