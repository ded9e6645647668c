import { type Backup, listBackups } from '../backup/catalog.ts';
import type { Settings } from '../config/settings.ts';
import { openStore } from '../store/open.ts';
import { type ArchiveScan, scanArchive } from './archive-scan.ts';
import { attempt } from './attempt.ts';
import type { Answer } from './facts.ts';

/** How long a request that failed is tried again, ms: then its reason is told, while there is time. */
const RETRIES = 600;
/** More segments are not listed again while the daemon's own listing is younger than this, ms. */
const MANY_SEGMENTS = 20_000;
const YOUNG = 20 * 60_000;

export interface StoreAnswers {
  backups: Answer<readonly Backup[]>;
  scan: Answer<ArchiveScan>;
}

/** Lists the backups, and the WAL as far as the time allows. @param limit ms for both together */
export async function askStore(
  settings: Settings,
  kept: ArchiveScan | undefined,
  limit: number,
  signal: AbortSignal,
): Promise<StoreAnswers> {
  if (settings.store === undefined) return { backups: { state: 'none' }, scan: { state: 'none' } };
  const opening = openStore({ ...settings, requestTimeout: limit, storeTimeout: RETRIES }, () => undefined);
  const end = Promise.withResolvers<readonly Backup[]>();
  end.promise.catch(() => undefined);
  const [backups, scan] = await Promise.all([
    attempt(limit, signal, async (own) => {
      try {
        const found = await listBackups(await opening, own);
        end.resolve(found);
        return found;
      } catch (error) {
        end.reject(error);
        throw error;
      }
    }),
    attempt(limit, signal, async (own) => {
      if (isEnough(kept)) return undefined;
      return scanArchive({ backups: await end.promise, store: await opening }, own);
    }),
  ]);
  opening.then((store) => store.close()).catch(() => undefined);
  return { backups, scan };
}

function isEnough(kept: ArchiveScan | undefined): boolean {
  return kept !== undefined && kept.segments > MANY_SEGMENTS && Date.now() - Date.parse(kept.at) < YOUNG;
}
