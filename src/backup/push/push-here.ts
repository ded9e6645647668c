import type { Encoder } from '../../codec/codec.ts';
import type { Settings } from '../../config/settings.ts';
import { connectPostgres } from '../../postgres/connection.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { VERSION } from '../../version.ts';
import { type PushedBackup, pushBackup } from './push.ts';

export interface PushHereDeps {
  settings: Settings;
  store: ObjectStore;
  encoder: Encoder;
  emit: Emit;
}

/**
 * Takes a backup of the server that the settings name: what `backup-push` and the scheduled job do.
 * @throws PgarcError as pushBackup
 */
export function pushBackupHere(
  { settings, store, encoder, emit }: PushHereDeps,
  { permanent }: { permanent: boolean },
  signal: AbortSignal,
): Promise<PushedBackup> {
  const { spool, pgdata, uploadConcurrency, archiveTimeout } = settings;
  return pushBackup(
    {
      store,
      spool,
      emit,
      encoder,
      connect: (directory, each) => connectPostgres(settings, { pgdata: directory, signal: each }),
    },
    { pgdata, permanent, uploadConcurrency, archiveTimeout, version: VERSION },
    signal,
  );
}
