import { access } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * How long a standby waits for a store that does not answer, ms. It asks again by itself, and between two questions
 * it streams: as long as restore_command runs, it cannot. (PostgreSQL asks for history files and a segment in turn
 * before it first connects to its primary.)
 */
export const STANDBY_PATIENCE = 5000;

/**
 * How long wal-fetch keeps asking for this cluster, ms: `fetchTimeout`, but not for long on a standby, where giving
 * up costs nothing. Elsewhere it ends recovery or stops the server.
 * @param pgdata the cluster, when it is known
 */
export async function choosePatience(pgdata: string | undefined, fetchTimeout: number): Promise<number> {
  if (pgdata === undefined || fetchTimeout <= STANDBY_PATIENCE) return fetchTimeout;
  return access(join(pgdata, 'standby.signal')).then(
    () => STANDBY_PATIENCE,
    () => fetchTimeout,
  );
}
