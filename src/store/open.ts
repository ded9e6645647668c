import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { parseStoreLocation } from './location.ts';
import type { ObjectStore } from './store.ts';

/**
 * Opens the store the settings name. Asks the store nothing yet: the first request finds out whether it is
 * there. Only the kind that is needed is loaded, because the AWS SDK alone takes longer than all the rest.
 * @throws PgarcError `setting-invalid`, also when no store is set
 */
export async function openStore(settings: Settings, emit: Emit): Promise<ObjectStore> {
  const location = parseStoreLocation(requireStore(settings));
  if (location.kind === 'folder') {
    const { openFolderStore } = await import('./folder.ts');
    return openFolderStore(location.path, emit);
  }
  const { openS3Store } = await import('./s3/store.ts');
  return openS3Store(settings, location, emit);
}

/** @throws PgarcError `setting-invalid` when no store is set */
export function requireStore({ store }: Settings): string {
  if (store !== undefined) return store;
  throw new PgarcError('setting-invalid', 'no store is set', {
    hint: 'Set PGARC_STORE, --store or `store:` in the settings file to s3://BUCKET/PREFIX or file:///DIRECTORY (WAL_S3_BUCKET needs PATRONI_SCOPE beside it).',
  });
}
