import { listBackups } from '../backup/catalog.ts';
import { chooseBackup } from '../backup/fetch/choose-backup.ts';
import { type FetchOptions, type FetchResult, fetchBackup } from '../backup/fetch/fetch.ts';
import { holdDirectory, requireFreeDirectory } from '../backup/fetch/hold.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { dropArchiving, findForeignArchiving } from './foreign-archiving.ts';
import { requireEmptyArchive } from './source.ts';

export interface BootstrapDeps {
  /** The archive that is restored; only ever read. */
  store: ObjectStore;
  /** Set for a clone: where it will archive to, which must be empty. Undefined when it archives nowhere. */
  own: ObjectStore | undefined;
  emit: Emit;
}

export interface ClusterOptions extends Omit<FetchOptions, 'holder'> {
  isClone: boolean;
}

/**
 * Restores a whole cluster for Patroni's custom bootstrap. With `raw` Patroni writes the recovery settings, and the
 * target only chooses the backup. A restore that is killed leaves a mark, by which the next one starts anew; one
 * that fails leaves the directory as it was.
 * @throws PgarcError, as fetchBackup; `refused` for a clone whose own archive is not empty
 */
export async function bootstrapCluster(
  deps: BootstrapDeps,
  options: ClusterOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  await requireFreeDirectory(options.pgdata, 'remove');
  if (deps.own !== undefined) await requireEmptyArchive(deps.own, signal);
  const name = options.mode === 'raw' ? await chooseName(deps, options, signal) : options.name;
  const directory = await holdDirectory(options.pgdata, 'remove');
  try {
    const clone = options.isClone ? { editAutoConf: dropArchiving } : {};
    const result = await fetchBackup(deps, { ...options, ...clone, name, holder: directory }, signal);
    await directory.finish();
    const notes = options.isClone ? await findForeignArchiving(options.pgdata) : [];
    return { ...result, warnings: [...result.warnings, ...notes] };
  } catch (error) {
    await directory.abandon(deps.emit);
    throw error;
  }
}

/** The same choice as with recovery settings, so that an unreachable target is refused before anything is copied. */
async function chooseName(
  deps: BootstrapDeps,
  options: ClusterOptions,
  signal: AbortSignal,
): Promise<string> {
  const backups = await listBackups(deps.store, signal);
  const { backup, warnings } = await chooseBackup(deps.store, backups, options.name, options, signal);
  for (const message of warnings) deps.emit({ type: 'warning', message });
  return backup.name;
}
