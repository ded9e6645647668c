import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/**
 * What the process exits with. PostgreSQL reads meaning into the codes of its two commands (pgarch.c,
 * xlogarchive.c): wal-push must stay below 126 or the archiver dies; wal-fetch must never
 * say "not there" (1 to 125) on a failure, or archive recovery ends and the server is promoted.
 */
export function mapExitCode(command: string | undefined, code: number, clusterDirectory: string): number {
  if (command === 'wal-push') return code > 125 ? 1 : code;
  if (command !== 'wal-fetch' || code === 0 || code === 74) return code;
  return existsSync(join(clusterDirectory, 'standby.signal')) ? 75 : 255;
}

/**
 * The cluster a wal-fetch works for: the one whose pg_wal holds the destination; PostgreSQL runs
 * restore_command in its data directory, pg_rewind and Patroni anywhere.
 */
export function findClusterDirectory(destination: string | undefined, pgdata: string | undefined): string {
  if (destination !== undefined && basename(dirname(resolve(destination))) === 'pg_wal') {
    return dirname(dirname(resolve(destination)));
  }
  return pgdata && !existsSync('PG_VERSION') ? pgdata : process.cwd();
}
