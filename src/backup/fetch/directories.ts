import type { Tree } from './tree.ts';

/**
 * Directories without which PostgreSQL 13 to 18 does not start or does not make itself (initdb.c, subdirs).
 * Every tool stores them, empty; this heals a backup in which one is missing.
 */
const REQUIRED = [
  'base',
  'global',
  'pg_commit_ts',
  'pg_dynshmem',
  'pg_logical',
  'pg_logical/mappings',
  'pg_logical/snapshots',
  'pg_multixact',
  'pg_multixact/members',
  'pg_multixact/offsets',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_tblspc',
  'pg_twophase',
  'pg_wal',
  'pg_wal/archive_status',
  'pg_xact',
];

/** Makes the required directories that have not arrived, with the data directory's mode. */
export function makeRequiredDirectories(tree: Tree, mode: number, has: (path: string) => boolean): void {
  for (const path of REQUIRED) if (!has(path)) tree.makeDirectory(path, mode);
}
