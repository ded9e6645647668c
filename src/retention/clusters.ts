import { type Backup, compareBackups } from '../backup/catalog.ts';

/** The backups of one system identifier, oldest first by their own finish times. */
export interface ClusterBackups {
  /** Undefined where none of them tells. */
  systemIdentifier: bigint | undefined;
  backups: readonly Backup[];
}

/**
 * Divides backups by the cluster they are of, the one with the newest backup last. WAL-E does not record the
 * system identifier: where all others have one in common, it is taken to be that.
 */
export function groupByCluster(backups: readonly Backup[]): ClusterBackups[] {
  const known = new Set(backups.flatMap(({ systemIdentifier }) => systemIdentifier ?? []));
  const only = known.size === 1 ? [...known][0] : undefined;
  const groups = new Map<bigint | undefined, Backup[]>();
  for (const backup of backups.toSorted(compareBackups)) {
    const systemIdentifier = backup.systemIdentifier ?? only;
    const group = groups.get(systemIdentifier) ?? [];
    if (group.length === 0) groups.set(systemIdentifier, group);
    group.push(backup);
  }
  return [...groups]
    .map(([systemIdentifier, members]) => ({ systemIdentifier, backups: members }))
    .sort((a, b) => compareBackups(a.backups.at(-1)!, b.backups.at(-1)!));
}
