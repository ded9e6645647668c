/**
 * What a data directory holds that a backup leaves out, and what its relation files are. Everything goes by
 * place, never by a name at any depth (PostgreSQL: basebackup.c, excludeDirContents and excludeFiles).
 * Names are those of tar members: `/base/5/1259`, the data directory itself is `/`.
 */
import { resolve } from 'node:path';

/** What kind of directory an entry lies in. */
export type Folder = 'root' | 'global' | 'databases' | 'database' | 'tablespaces' | 'other';

const DATABASE = /^(?:\/base|\/pg_tblspc\/\d+\/PG_[^/]+)\/\d+$/;
const DATABASES = /^(?:\/base|\/pg_tblspc\/\d+\/PG_[^/]+)$/;
const RELATION = /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/;
const TEMPORARY_RELATION = /^t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/;

/** Directories of the data directory that the server empties or fills anew when it starts. */
const EMPTIED = new Set([
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);

const LEFT_OUT = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'postgresql.auto.conf.tmp',
  'current_logfiles.tmp',
  'recovery.signal',
  'standby.signal',
]);
// pgsql_tmp: PG_TEMP_FILE_PREFIX, which PostgreSQL itself never backs up, and what replicas' restores mark theirs with.
const LEFT_OUT_PREFIXES = ['backup_label', 'tablespace_map', 'backup_manifest', 'pgsql_tmp'];

/** Directories without which a restored cluster does not start or lacks data. */
const ESSENTIAL = /^\/(?:base|global|pg_xact|pg_multixact|pg_commit_ts|pg_logical|pg_twophase)(?:\/|$)/;

/** Kind of the directory called `name`. */
export function folderKind(name: string): Folder {
  if (name === '/') return 'root';
  if (name === '/global') return 'global';
  if (name === '/pg_tblspc') return 'tablespaces';
  if (DATABASES.test(name)) return 'databases';
  return DATABASE.test(name) ? 'database' : 'other';
}

/** True for a directory that is kept, but without its contents. */
export function isKeptEmpty(folder: Folder, entry: string): boolean {
  if (folder === 'root') return EMPTIED.has(entry);
  return folder === 'databases' && entry.startsWith('pgsql_tmp');
}

/** True for a file that does not belong into a backup, whatever else lies beside it. */
export function isLeftOut(folder: Folder, entry: string): boolean {
  switch (folder) {
    case 'root':
      return LEFT_OUT.has(entry) || LEFT_OUT_PREFIXES.some((prefix) => entry.startsWith(prefix));
    case 'global':
      return entry.startsWith('pg_internal.init');
    case 'databases':
      return entry.startsWith('pgsql_tmp');
    case 'database':
      return entry.startsWith('pg_internal.init') || TEMPORARY_RELATION.test(entry);
    default:
      return false;
  }
}

/** Where the server's logs lie by default, and did before PostgreSQL 10. */
const LOGS = ['/log', '/pg_log'];

/**
 * Finds where the server's logs lie in its data directory. A server makes the directory when it is not there.
 * @param setting log_directory; undefined when it is not known
 */
export function findLogs(pgdata: string, setting: string | undefined): ReadonlySet<string> {
  const path = setting === undefined ? pgdata : resolve(pgdata, setting);
  return new Set(path.startsWith(`${pgdata}/`) ? [...LOGS, path.slice(pgdata.length)] : LOGS);
}

/** A relation's file: which relation, which fork, which file of it. */
export interface RelationFile {
  number: string;
  fork: 'main' | 'fsm' | 'vm' | 'init';
  /** 0 for the first file of the fork. */
  part: number;
}

/** Reads the name of a relation's file. @returns undefined when it is none */
export function parseRelationFile(entry: string): RelationFile | undefined {
  const match = RELATION.exec(entry);
  if (match === null) return undefined;
  return {
    number: match[1]!,
    fork: (match[2] as RelationFile['fork'] | undefined) ?? 'main',
    part: Number(match[3] ?? 0),
  };
}

const REPLAYED =
  /^(?:\/(?:base\/\d+|global|pg_tblspc\/\d+\/PG_[^/]+\/\d+)\/\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?|\/(?:pg_xact|pg_commit_ts|pg_multixact\/(?:offsets|members))\/[0-9A-F]+)$/;

/**
 * True for a file that replay makes right, whatever length and pages of it were copied: a relation's, or one of
 * the transaction status. Of any other, such as a configuration file, only a copy of one moment is of use.
 */
export function isReplayed(name: string): boolean {
  return REPLAYED.test(name);
}

/**
 * Finds the unlogged relations of a database's directory: those with an init fork. Of them only that fork
 * belongs into a backup, the others are made from it (PostgreSQL: reinit.c).
 */
export function findUnlogged(entries: readonly string[]): ReadonlySet<string> {
  const unlogged = new Set<string>();
  for (const entry of entries) {
    if (!entry.includes('_init')) continue;
    const file = parseRelationFile(entry);
    if (file?.fork === 'init') unlogged.add(file.number);
  }
  return unlogged;
}

/** True when a symbolic link in the place of `name` would leave a hole in a restored cluster. */
export function isEssential(name: string): boolean {
  return ESSENTIAL.test(name) || /^\/pg_tblspc(?:$|\/\d+\/)/.test(name);
}

/** Name of the directory that this server uses in a tablespace (TABLESPACE_VERSION_DIRECTORY). */
export function tablespaceVersionDirectory(majorVersion: number, catalogVersion: number): string {
  return `PG_${majorVersion}_${catalogVersion}`;
}
