import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';

/**
 * How long wal-fetch keeps asking for this cluster, ms. On a standby not for long: giving up costs nothing there,
 * and as long as restore_command runs it cannot stream (PostgreSQL asks for history files and a segment in turn
 * before it first connects to its primary). Elsewhere giving up ends recovery or stops the server.
 * @param pgdata the cluster, when it is known
 */
export async function choosePatience(
  pgdata: string | undefined,
  { fetchTimeout, standbyFetchTimeout }: Pick<Settings, 'fetchTimeout' | 'standbyFetchTimeout'>,
): Promise<number> {
  if (pgdata === undefined) return fetchTimeout;
  return access(join(pgdata, 'standby.signal')).then(
    () => standbyFetchTimeout,
    () => fetchTimeout,
  );
}
