import { type Backup, listBackups } from '../backup/catalog.ts';
import { findLeftovers, type Journal, type Leftover, listJournals } from '../backup/deletion-journal.ts';
import { mapParallel } from '../backup/map-parallel.ts';
import { listClaims } from '../backup/push/claim.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Archive, listArchive, requireHistories } from '../wal/archive.ts';
import { findWithoutWal } from './own-wal.ts';
import { WalFiles } from './wal-files.ts';

/** What is in the store, from complete listings. */
export interface Survey {
  backups: readonly Backup[];
  archive: Archive;
  wal: WalFiles;
  /** Names of backups whose own WAL is not all there. */
  withoutWal: ReadonlySet<string>;
  /** Names of backups that are being made. */
  running: readonly string[];
  journals: readonly Journal[];
  /** Of deletions that were broken off. */
  leftovers: readonly Leftover[];
}

/**
 * Looks at the whole store. Backups that are being made come first: one that ends meanwhile is seen twice
 * rather than not at all.
 * @throws PgarcError `store-unreachable` when a listing fails, `object-damaged`
 */
export async function surveyStore(store: ObjectStore, signal: AbortSignal): Promise<Survey> {
  const running = await listClaims(store, signal);
  const journals = await listJournals(store, signal);
  const wal = new WalFiles();
  const looks = [
    (each: AbortSignal) => listBackups(store, each),
    (each: AbortSignal) => listArchive(store, each, { onObject: (object) => wal.add(object) }),
  ] as const;
  const found = await mapParallel<(typeof looks)[number], Backup[] | Archive>(
    looks,
    looks.length,
    (look, each) => look(each),
    signal,
  );
  const [backups, archive] = found as [Backup[], Archive];
  // Which WAL leads to a timeline nobody can tell without its history file.
  requireHistories(archive);
  const withoutWal = findWithoutWal(archive, backups);
  const busy = new Set([...running, ...backups.map(({ name }) => name)]);
  const leftovers = await findLeftovers(store, journals, busy, signal);
  return { backups, archive, wal, withoutWal, running, journals, leftovers };
}
