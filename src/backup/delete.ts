import { PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Backup, findBackup, listBackups } from './catalog.ts';
import { findLeftovers, type Leftover, listJournals, writeJournal } from './deletion-journal.ts';
import { findDependents } from './fetch/chain.ts';
import { backupPrefix, metadataKey, sentinelKey } from './format/keys.ts';
import { listClaims } from './push/claim.ts';

export interface DeleteOptions {
  /** A name or LATEST. */
  name: string;
  /** Without it the result only tells what would go. */
  confirm: boolean;
}

export interface DeleteResult {
  name: string;
  deleted: boolean;
  /** True when only parts were there, of a deletion that was broken off. */
  isLeftover: boolean;
  /** Objects and their bytes, the sentinel included. */
  objects: number;
  storedBytes: number;
  /** True when no usable backup is left without it. */
  isLast: boolean;
}

/**
 * Deletes one backup, sentinel first, so that a half-done deletion is never a listed backup. A journal names it
 * from before until after: what is left when it is broken off is deleted by the next run of retention, or by
 * deleting the same name again. WAL stays.
 * @throws PgarcError `no-such-backup`; `refused` for a backup that is or may be permanent, and one that deltas are built on
 */
export async function deleteBackup(
  deps: { store: ObjectStore },
  options: DeleteOptions,
  signal: AbortSignal,
): Promise<DeleteResult> {
  const { store } = deps;
  const backups = await listBackups(store, signal);
  if (!backups.some(({ name }) => name === options.name)) {
    const leftover = await findLeftover(store, options.name, signal);
    if (leftover !== undefined) return await deleteLeftover(store, leftover, options.confirm, signal);
  }
  const backup = findBackup(backups, options.name);
  requireDeletable(backups, backup);
  const { name } = backup;
  const sentinel = sentinelKey(name);
  const keys: string[] = [];
  let storedBytes = (await store.head(sentinel, { signal }))?.size ?? 0;
  for await (const object of store.list(backupPrefix(name), { signal })) {
    keys.push(object.key);
    storedBytes += object.size;
  }
  if (options.confirm) {
    await writeJournal(store, [name], signal);
    await store.delete([sentinel], { signal });
    await store.delete(keys, { signal });
    await removeJournals(store, name, signal);
  }
  return {
    name,
    deleted: options.confirm,
    isLeftover: false,
    objects: keys.length + 1,
    storedBytes,
    isLast: !backups.some((other) => other.usable && other.name !== name),
  };
}

/** What a deletion of this name left, when a journal says that there was one. */
async function findLeftover(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
): Promise<Leftover | undefined> {
  const journals = (await listJournals(store, signal))
    .filter(({ backups }) => backups.includes(name))
    .map((journal) => ({ ...journal, backups: [name] }));
  if (journals.length === 0) return undefined;
  const running = await listClaims(store, signal);
  // A listing that left the sentinel out must not decide.
  if ((await store.head(sentinelKey(name), { signal })) !== undefined) return undefined;
  const [leftover] = await findLeftovers(store, journals, new Set(running), signal);
  return leftover;
}

async function deleteLeftover(
  store: ObjectStore,
  { name, before, objects, bytes }: Leftover,
  confirm: boolean,
  signal: AbortSignal,
): Promise<DeleteResult> {
  if (confirm) {
    const keys: string[] = [];
    for await (const { key, modified } of store.list(backupPrefix(name), { signal })) {
      if (modified <= before) keys.push(key);
    }
    await store.delete(keys, { signal });
    await removeJournals(store, name, signal);
  }
  return { name, deleted: confirm, isLeftover: true, objects, storedBytes: bytes, isLast: false };
}

/** Removes the journals that name this backup alone; retention works the others through. */
async function removeJournals(store: ObjectStore, name: string, signal: AbortSignal): Promise<void> {
  const journals = await listJournals(store, signal);
  const done = journals.filter(({ backups }) => backups.length === 1 && backups[0] === name);
  await store.delete(
    done.map(({ key }) => key),
    { signal },
  );
}

function requireDeletable(backups: readonly Backup[], backup: Backup): void {
  if (backup.isMarkUnknown) {
    const key = metadataKey(backup.name);
    throw new PgarcError('refused', `backup ${backup.name} may be permanent: ${key} does not tell`, {
      hint: `Put an undamaged metadata.json there, or write a new one: pgarc backup-mark ${backup.name} --impermanent`,
      details: { key },
    });
  }
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
