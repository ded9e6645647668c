import { PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Backup, findBackup, listBackups } from './catalog.ts';
import { findDependents } from './fetch/chain.ts';
import { backupPrefix, sentinelKey } from './format/keys.ts';

export interface DeleteOptions {
  /** A name or LATEST. */
  name: string;
  /** Without it the result only tells what would go. */
  confirm: boolean;
}

export interface DeleteResult {
  backup: Backup;
  deleted: boolean;
  /** Objects and their bytes, the sentinel included. */
  objects: number;
  storedBytes: number;
  /** True when no usable backup is left without it. */
  isLast: boolean;
}

/**
 * Deletes one backup, sentinel first, so that a half-done deletion is never a listed backup. WAL stays.
 * @throws PgarcError `no-such-backup`; `refused` for a permanent backup and one that deltas are built on
 */
export async function deleteBackup(
  deps: { store: ObjectStore },
  options: DeleteOptions,
  signal: AbortSignal,
): Promise<DeleteResult> {
  const { store } = deps;
  const backups = await listBackups(store, signal);
  const backup = findBackup(backups, options.name);
  requireDeletable(backups, backup);
  const sentinel = sentinelKey(backup.name);
  const keys: string[] = [];
  let storedBytes = (await store.head(sentinel, { signal }))?.size ?? 0;
  for await (const object of store.list(backupPrefix(backup.name), { signal })) {
    keys.push(object.key);
    storedBytes += object.size;
  }
  if (options.confirm) {
    await store.delete([sentinel], { signal });
    await store.delete(keys, { signal });
  }
  return {
    backup,
    deleted: options.confirm,
    objects: keys.length + 1,
    storedBytes,
    isLast: !backups.some((other) => other.usable && other.name !== backup.name),
  };
}

function requireDeletable(backups: readonly Backup[], backup: Backup): void {
  if (backup.permanent) {
    throw new PgarcError('refused', `backup ${backup.name} is permanent`, {
      hint: `Take the mark away first: pgarc backup-mark ${backup.name} --impermanent`,
    });
  }
  const dependents = findDependents(backups, backup).map(({ name }) => name);
  if (dependents.length > 0) {
    throw new PgarcError('refused', `delta backups are built on ${backup.name}: ${dependents.join(', ')}`, {
      hint: 'Delete those first, the newest before the others.',
      details: { dependents },
    });
  }
}
