import { PgarcError } from '../errors.ts';
import { formatJson } from '../json.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Backup, findBackup, listBackups } from './catalog.ts';
import { getJson } from './catalog-entry.ts';
import { findDependents, resolveChain } from './fetch/chain.ts';
import { metadataKey, sentinelKey } from './format/keys.ts';
import { DATE_FORMAT, type Metadata } from './format/sentinel.ts';

export interface MarkOptions {
  /** A name or LATEST. */
  name: string;
  permanent: boolean;
}

export interface MarkResult {
  backup: Backup;
  /** Names whose metadata was rewritten: none when it was marked so before. */
  changed: readonly string[];
}

/**
 * Marks a backup as permanent, with all that it is built on, or takes the mark away from it alone. Only
 * metadata.json is written; where there is none (WAL-E) or a damaged one it is made from the sentinel.
 * @throws PgarcError `no-such-backup`, also when it is deleted meanwhile; `refused` while a permanent delta needs the backup
 */
export async function markBackup(
  deps: { store: ObjectStore },
  options: MarkOptions,
  signal: AbortSignal,
): Promise<MarkResult> {
  const backups = await listBackups(deps.store, signal);
  const backup = findBackup(backups, options.name);
  const wanted = options.permanent ? resolveChain(backups, backup) : [backup];
  if (!options.permanent) {
    const needing = findDependents(backups, backup).filter((delta) => delta.permanent);
    if (needing.length > 0) {
      throw new PgarcError(
        'refused',
        `permanent delta backups are built on ${backup.name}: ${needing.map(({ name }) => name).join(', ')}`,
        { hint: 'Take the mark away from those first.' },
      );
    }
  }
  // The full backup first: an interruption never leaves a permanent delta on a base that may be dropped.
  const changed = wanted.filter((one) => one.permanent !== options.permanent || one.isMarkUnknown);
  for (const one of changed) {
    await rewriteMetadata(deps.store, one, options.permanent, signal);
    await expectThere(deps.store, one, signal);
  }
  return { backup: { ...backup, permanent: options.permanent }, changed: changed.map(({ name }) => name) };
}

/** Retention or another delete may have been at work: then the mark has come too late. */
async function expectThere(store: ObjectStore, { name }: Backup, signal: AbortSignal): Promise<void> {
  if ((await store.head(sentinelKey(name), { signal })) !== undefined) return;
  await store.delete([metadataKey(name)], { signal });
  throw new PgarcError('no-such-backup', `${name} was deleted just now`, {
    hint: 'See what is left: pgarc backup-list',
    details: { name },
  });
}

async function rewriteMetadata(
  store: ObjectStore,
  backup: Backup,
  permanent: boolean,
  signal: AbortSignal,
): Promise<void> {
  const key = metadataKey(backup.name);
  const stored = await getJson(store, key, signal);
  const current = stored !== undefined && 'value' in stored ? stored.value : makeMetadata(backup);
  await store.put(key, Buffer.from(formatJson({ ...current, is_permanent: permanent })), { signal });
}

function makeMetadata(backup: Backup): Metadata {
  return {
    start_time: (backup.startTime ?? backup.finishTime).toISOString(),
    finish_time: backup.finishTime.toISOString(),
    date_fmt: DATE_FORMAT,
    hostname: backup.hostname ?? '',
    data_dir: backup.dataDir ?? '',
    pg_version: backup.pgVersion ?? 0,
    start_lsn: backup.startLsn,
    finish_lsn: backup.finishLsn ?? 0n,
    is_permanent: backup.permanent,
    system_identifier: backup.systemIdentifier ?? null,
    uncompressed_size: backup.uncompressedSize ?? 0,
    compressed_size: backup.storedSize ?? 0,
    ...(backup.userData === undefined ? {} : { user_data: backup.userData }),
  };
}
