import type { Backup } from '../backup/catalog.ts';
import type { Emit } from '../report/events.ts';
import { formatCount } from '../report/units.ts';
import { bodyOf, formatList, formatTable, parseList, type StoredList } from './backup-list.ts';
import type { Etcd, KeyValue } from './etcd.ts';
import type { ClusterKeys } from './keys.ts';
import { readRecord } from './record.ts';

export interface CacheDeps {
  etcd: Etcd;
  keys: ClusterKeys;
  emit: Emit;
}

export interface FreshList {
  /** Oldest first. */
  backups: readonly Backup[];
  /** When reading it from the store began. */
  readAt: Date;
}

/** `written`: the list was another. `confirmed`: it was the same. `newer`: etcd holds one that was read later. */
export type CacheOutcome = 'written' | 'confirmed' | 'newer';

/** A list of the same minute needs no new time, ms. */
const CONFIRM_AFTER = 60_000;
/** A stored time so far ahead of our clock is nobody's, ms. */
const CLOCK_AHEAD = 60_000;
const ATTEMPTS = 5;

/**
 * Writes the list of backups for those who cannot or do not want to wait for the store: WAL-E's table, and JSON. A list
 * that was read later is not replaced, an equal one only gets a new time under a small key of its own.
 * @throws PgarcError `etcd-unreachable`
 */
export async function writeBackupCache(
  deps: CacheDeps,
  fresh: FreshList,
  signal: AbortSignal,
): Promise<CacheOutcome> {
  const { etcd, keys } = deps;
  const text = formatList(fresh.backups, fresh.readAt);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const table = await etcd.get(keys.waleBackupList, signal);
    const found = await readKeys(deps, signal);
    if (found.list !== undefined && isLater(found.list.readAt, fresh.readAt)) return 'newer';
    const isSame = found.list !== undefined && bodyOf(found.stored!.value) === bodyOf(text);
    if (isSame) await confirm(deps, found, fresh.readAt, signal);
    else if (!(await swap(etcd, keys.backups, text, found.stored, signal))) continue;
    // Whoever wrote the table since did so for another list: begin again.
    if (!(await writeTable(deps, fresh.backups, table, signal))) continue;
    return isSame ? 'confirmed' : 'written';
  }
  return 'newer';
}

/**
 * Reads the list of backups that etcd holds. Rubbish in its place counts as none, with a warning.
 * @throws PgarcError `etcd-unreachable`
 */
export async function readBackupCache(deps: CacheDeps, signal: AbortSignal): Promise<StoredList | undefined> {
  return (await readKeys(deps, signal)).list;
}

interface Found {
  stored: KeyValue | undefined;
  /** With the time at which it was last found to be right. */
  list: StoredList | undefined;
  /** When it was first read so. */
  since: Date | undefined;
}

async function readKeys({ etcd, keys, emit }: CacheDeps, signal: AbortSignal): Promise<Found> {
  const all = await etcd.list(keys.backups, signal);
  const stored = all.find(({ key }) => key === keys.backups);
  const list = stored && parseList(stored.value);
  if (stored !== undefined && list === undefined) warnOfRubbish(emit, keys.backups);
  const since = list?.readAt;
  const read = readRecord(all.find(({ key }) => key === keys.backupsRead)?.value);
  const readAt = new Date(String(read?.readAt));
  // Only when it speaks of this list.
  const isConfirmed = read?.of === since?.toISOString() && readAt.getTime() > (since?.getTime() ?? 0);
  return { stored, since, list: list !== undefined && isConfirmed ? { ...list, readAt } : list };
}

async function confirm(
  { etcd, keys }: CacheDeps,
  { list, since }: Found,
  readAt: Date,
  signal: AbortSignal,
): Promise<void> {
  if (readAt.getTime() - list!.readAt.getTime() < CONFIRM_AFTER) return;
  const value = { readAt: readAt.toISOString(), of: since!.toISOString() };
  await etcd.put(keys.backupsRead, JSON.stringify(value), {}, signal);
}

async function writeTable(
  { etcd, keys, emit }: CacheDeps,
  backups: readonly Backup[],
  stored: KeyValue | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { text, omitted } = formatTable(backups);
  if (stored?.value === text) return true;
  if (stored !== undefined && !stored.value.startsWith('name\t')) warnOfRubbish(emit, keys.waleBackupList);
  if (omitted > 0) {
    emit({
      type: 'warning',
      message: `the list in etcd is without the oldest ${formatCount(omitted, 'backup')}: etcd takes no longer values`,
    });
  }
  return swap(etcd, keys.waleBackupList, text, stored, signal);
}

function swap(
  etcd: Etcd,
  key: string,
  value: string,
  stored: KeyValue | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  return stored === undefined
    ? etcd.create(key, value, {}, signal)
    : etcd.replace(key, value, stored.modRevision, {}, signal);
}

function isLater(stored: Date, ours: Date): boolean {
  return stored.getTime() > ours.getTime() && stored.getTime() < Date.now() + CLOCK_AHEAD;
}

function warnOfRubbish(emit: Emit, key: string): void {
  emit({
    type: 'warning',
    message: `${key} in etcd holds something that pgarc did not write; it is ignored and replaced`,
  });
}
