import { type Backup, listBackups } from '../backup/catalog.ts';
import type { ObjectStore } from '../store/store.ts';
import { type CacheDeps, type CacheOutcome, writeBackupCache } from './backup-cache.ts';

export interface Refreshed {
  backups: Backup[];
  outcome: CacheOutcome;
}

/**
 * Reads the list of backups from the store and brings etcd's up to date.
 * @throws PgarcError `store-unreachable`, `etcd-unreachable`
 */
export async function refreshLists(
  deps: CacheDeps & { store: ObjectStore },
  signal: AbortSignal,
): Promise<Refreshed> {
  const readAt = new Date();
  const backups = await listBackups(deps.store, signal);
  return { backups, outcome: await writeBackupCache(deps, { backups, readAt }, signal) };
}
