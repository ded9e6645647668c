import { type Backup, listBackups } from '../backup/catalog.ts';
import type { ObjectStore } from '../store/store.ts';
import { type ArchiveScan, scanArchive } from './archive-scan.ts';
import { attempt } from './attempt.ts';
import type { Answer } from './facts.ts';

/** More segments are not listed again while the daemon's own listing is younger than this, ms. */
const MANY_SEGMENTS = 20_000;
const YOUNG = 20 * 60_000;

export interface StoreAnswers {
  backups: Answer<readonly Backup[]>;
  scan: Answer<ArchiveScan>;
}

/**
 * Lists the backups, and the WAL as far as the time allows.
 * @param kept what the daemon listed last
 * @param limit ms for both together
 */
export async function askStore(
  opened: Answer<ObjectStore>,
  kept: ArchiveScan | undefined,
  limit: number,
  signal: AbortSignal,
): Promise<StoreAnswers> {
  if (opened.state !== 'ok') return { backups: opened, scan: opened };
  const store = opened.value;
  const listed = Promise.withResolvers<readonly Backup[]>();
  listed.promise.catch(() => undefined);
  const [backups, scan] = await Promise.all([
    attempt(limit, signal, (own) => {
      listed.resolve(listBackups(store, own));
      return listed.promise;
    }),
    attempt(limit, signal, async (own) =>
      isEnough(kept) ? undefined : scanArchive({ store, backups: await listed.promise }, own),
    ),
  ]);
  return { backups, scan };
}

function isEnough(kept: ArchiveScan | undefined): boolean {
  return kept !== undefined && kept.segments > MANY_SEGMENTS && Date.now() - Date.parse(kept.at) < YOUNG;
}
