import { PgarcError } from '../errors.ts';
import type { Lsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import { readCatalogEntry } from './catalog-entry.ts';
import { BACKUPS, backupOfSentinelKey } from './format/keys.ts';
import { mapParallel } from './map-parallel.ts';

/** A base backup in the store, whoever took it. Sizes are bytes. */
export interface Backup {
  name: string;
  /** `delta`: WAL-G's increment on a parent. `wal-e`: a full backup by WAL-E. */
  kind: 'full' | 'delta' | 'wal-e';
  startLsn: Lsn;
  /** Recovery is consistent from here on. Undefined only in a broken backup. */
  finishLsn: Lsn | undefined;
  /** The timeline on which the backup began. */
  timeline: number;
  systemIdentifier: bigint | undefined;
  /** WAL-E does not record it. */
  startTime: Date | undefined;
  /** WAL-E: when the sentinel was stored. */
  finishTime: Date;
  /** When the store got the sentinel, or a copy of it. */
  storedTime?: Date;
  /** Of the backup's own files; a delta holds only what changed. */
  uncompressedSize: number | undefined;
  storedSize: number | undefined;
  /** Size of the cluster's files, also for a delta. */
  dataSize: number | undefined;
  /** As PG_VERSION_NUM: 150020. */
  pgVersion: number | undefined;
  /** Also when it is not known. */
  permanent: boolean;
  /** True when metadata.json is there and does not tell whether the backup is permanent. */
  isMarkUnknown?: boolean;
  hostname: string | undefined;
  dataDir: string | undefined;
  /** A delta's direct parent, the full backup below it, and how many deltas deep it is. */
  parent: string | undefined;
  fullName: string | undefined;
  deltaCount: number | undefined;
  userData: unknown;
  /** False when the sentinel cannot be read: listed, but never chosen, restored or dropped by a rule. */
  usable: boolean;
  /** What is wrong or was guessed. */
  warnings: readonly string[];
}

/** Backups named when one is not found. */
const NAMES_SHOWN = 5;
const PARALLEL_READS = 32;

/**
 * Lists every backup that has a sentinel, oldest first. Reads two small objects a backup. One that is
 * deleted meanwhile is left out; one whose sentinel is damaged is listed with `usable: false`.
 * @throws PgarcError `store-unreachable`
 */
export async function listBackups(store: ObjectStore, signal: AbortSignal): Promise<Backup[]> {
  const sentinels: { name: string; modified: Date }[] = [];
  for await (const object of store.list(BACKUPS, { signal, shallow: true })) {
    const name = backupOfSentinelKey(object.key);
    if (name !== undefined) sentinels.push({ name, modified: object.modified });
  }
  const entries = await mapParallel(
    sentinels,
    PARALLEL_READS,
    ({ name, modified }, combined) => readCatalogEntry(store, name, modified, combined),
    signal,
  );
  return entries.filter((entry) => entry !== undefined).sort(compareBackups);
}

/** Order of age: by the sentinel's own finish time, then by start LSN, then by name. */
export function compareBackups(a: Backup, b: Backup): number {
  const byTime = a.finishTime.getTime() - b.finishTime.getTime();
  if (byTime !== 0) return byTime;
  if (a.startLsn !== b.startLsn) return a.startLsn < b.startLsn ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** The newest usable backup (WAL-G's LATEST), or undefined when there is none. */
export function latestBackup(backups: readonly Backup[]): Backup | undefined {
  return backups
    .filter((backup) => backup.usable)
    .toSorted(compareBackups)
    .at(-1);
}

/**
 * Finds a backup by name, or the newest usable one by `LATEST`.
 * @throws PgarcError `no-such-backup`, naming the newest that exist; `object-damaged` for LATEST when none is usable
 */
export function findBackup(backups: readonly Backup[], nameOrLatest: string): Backup {
  const found =
    nameOrLatest === 'LATEST'
      ? latestBackup(backups)
      : backups.find((backup) => backup.name === nameOrLatest);
  if (found !== undefined) return found;
  if (backups.length === 0) {
    throw new PgarcError('no-such-backup', 'the archive holds no backup', {
      hint: 'Take one with: pgarc backup-push',
      details: { name: nameOrLatest, existing: [] },
    });
  }
  if (nameOrLatest === 'LATEST') throw describeNoneUsable(backups);
  const names = backups
    .toSorted(compareBackups)
    .reverse()
    .map((backup) => backup.name);
  const shown = names.slice(0, NAMES_SHOWN).join(', ');
  const more = names.length - NAMES_SHOWN;
  throw new PgarcError('no-such-backup', `there is no backup ${nameOrLatest}`, {
    hint: `The newest that exist: ${shown}${more > 0 ? ` and ${more} older` : ''}. See: pgarc backup-list`,
    details: { name: nameOrLatest, existing: names },
  });
}

function describeNoneUsable(backups: readonly Backup[]): PgarcError {
  const [newest] = backups.toSorted(compareBackups).reverse();
  const why = newest?.warnings.join('; ') ?? '';
  return new PgarcError('object-damaged', `no backup can be used; the newest is ${newest?.name}: ${why}`);
}
