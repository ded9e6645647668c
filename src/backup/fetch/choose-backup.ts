import { PgarcError } from '../../errors.ts';
import type { ObjectStore } from '../../store/store.ts';
import { listArchive } from '../../wal/archive.ts';
import { type ReachableTarget, resolveTarget, type TargetRequest } from '../../wal/targets.ts';
import { type Backup, findBackup } from '../catalog.ts';

/** What to restore, and what PostgreSQL is told about where to stop. */
export interface Choice {
  backup: Backup;
  /** Undefined when recovery was not looked at. */
  reachable: ReachableTarget<Backup> | undefined;
}

/**
 * Chooses the backup: by name, the newest, or the one from which the target is reached. Before anything is
 * copied it is certain that the WAL makes the backup consistent and leads to the target.
 * @param name a name, or LATEST: the newest, and with a target the newest that leads to it
 * @throws PgarcError `no-such-backup`, `target-outside-window`, `wal-gap`
 */
export async function chooseBackup(
  store: ObjectStore,
  backups: readonly Backup[],
  name: string,
  request: Omit<TargetRequest, 'backup'>,
  signal: AbortSignal,
): Promise<Choice> {
  const named = findBackup(backups, name);
  if (!named.usable) {
    throw new PgarcError(
      'object-damaged',
      `backup ${named.name} cannot be used: ${named.warnings.join('; ')}`,
    );
  }
  const hasTarget = request.target.kind !== 'none';
  const archive = await listArchive(store, signal);
  const backup = name === 'LATEST' && hasTarget ? undefined : named.name;
  const answer = await resolveTarget({ store, archive, backups }, { ...request, backup }, signal);
  if (answer.reachable) return { backup: answer.backup, reachable: answer };
  throw new PgarcError(hasTarget ? 'target-outside-window' : 'wal-gap', answer.reason, {
    ...(answer.hint === undefined ? {} : { hint: answer.hint }),
    details: { oldest: answer.oldest, newest: answer.newest, skipped: answer.skipped },
  });
}
