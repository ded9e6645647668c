import { type BigIntStats, lstatSync, statSync } from 'node:fs';
import { readdir, readlink, realpath } from 'node:fs/promises';
import { setImmediate as yieldLoop } from 'node:timers/promises';
import { PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import type { Emit } from '../../report/events.ts';
import { decodeName, encodeName, hasRawBytes } from '../format/name-bytes.ts';
import { describeReadError, isGone } from './file-io.ts';
import {
  type Folder,
  findLogs,
  findUnlogged,
  folderKind,
  isEssential,
  isKeptEmpty,
  isLeftOut,
  parseRelationFile,
} from './layout.ts';

/**
 * A file or directory as it was when the data directory was walked. There may be millions: one object each,
 * of small integers as far as that goes, and no copies.
 */
export interface WalkedEntry {
  /** As in the tar and in files_metadata.json: `/base/5/1259`. */
  name: string;
  /** Bytes. */
  size: number;
  mode: number;
  uid: number;
  gid: number;
  modifiedNs: bigint;
  /** CRC-32C of the content as it was packed, as a signed number; 0 before. */
  crc32c: number;
}

export interface Tablespace {
  oid: string;
  /** Where the link in pg_tblspc points to. Raw bytes as in name-bytes.ts. */
  location: string;
}

/** An entry of the data directory that is in no backup, and that no server makes anew. */
export interface LeftOut {
  /** As of a member of the tar: `/postgresql.conf`. */
  path: string;
  kind: 'symlink' | 'special';
  /** Where a link leads. */
  target?: string;
}

export interface Walk {
  directories: WalkedEntry[];
  /** Without pg_control. */
  files: WalkedEntry[];
  control: WalkedEntry;
  tablespaces: Tablespace[];
  leftOut: LeftOut[];
  /** Bytes of everything seen, directories and what is left out included, as WAL-G counts it. */
  catalogSize: number;
}

const CONTROL = `/${CONTROL_FILE}`;
/** How long the event loop may be held by calls that return at once from the cache, ms. */
const HOLD = 10;

/** Path of an entry for node:fs. Tablespaces are reached through their links. */
export function pathOf(pgdata: string, name: string): string | Buffer {
  const path = pgdata + name;
  return hasRawBytes(path) ? encodeName(path) : path;
}

/**
 * Lists everything that belongs into a backup of a running server.
 * @param server the directory that it uses in a tablespace, and log_directory where that is known
 * @throws PgarcError `refused` for a link in the place of a part of the cluster
 */
export async function walkDataDirectory(
  pgdata: string,
  server: { versionDirectory: string; logDirectory?: string | undefined },
  emit: Emit,
  signal: AbortSignal,
): Promise<Walk> {
  const walk: Omit<Walk, 'control'> = {
    directories: [],
    files: [],
    tablespaces: [],
    leftOut: [],
    catalogSize: 0,
  };
  let control: WalkedEntry | undefined;
  const todo = ['/'];
  const inside = await findInnerTablespaces(pgdata);
  const logs = findLogs(pgdata, server.logDirectory);
  let held = performance.now();

  const root = lookAt(pgdata, '/');
  if (root === undefined) throw new PgarcError('failed', `${pgdata} has vanished`);
  walk.directories.push(describe('/', root));
  walk.catalogSize += Number(root.size);

  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const folder = folderKind(name);
    const entries = await listDirectory(pgdata, name);
    const unlogged = folder === 'database' ? findUnlogged(entries) : undefined;
    const prefix = name === '/' ? '/' : `${name}/`;
    const isOfLogs = [...logs].some((place) => prefix.startsWith(`${place}/`));
    for (const entry of entries) {
      if (performance.now() - held > HOLD) {
        await yieldLoop();
        signal.throwIfAborted();
        held = performance.now();
      }
      const member = prefix + entry;
      const stats = lookAt(pgdata, member);
      if (stats === undefined) continue;
      walk.catalogSize += Number(stats.size);
      if (stats.isFile()) {
        if (member === CONTROL) control = describe(member, stats);
        else if (!isOmitted(folder, entry, unlogged)) walk.files.push(describe(member, stats));
      } else if (stats.isDirectory()) {
        walk.directories.push(describe(member, stats));
        if (!isKeptEmpty(folder, entry) && !inside.has(member)) todo.push(member);
      } else if (stats.isSymbolicLink()) {
        const found = await followLink(pgdata, member, folder, entry, server.versionDirectory);
        if (found.tablespace !== undefined) walk.tablespaces.push(found.tablespace);
        if (found.directory !== undefined) {
          walk.directories.push(found.directory);
          if (!isKeptEmpty(folder, entry)) todo.push(found.directory.name);
        }
        if (found.leftOut === undefined || isOfLogs) continue;
        if (!logs.has(member) || !leadsToDirectory(pgdata, member)) walk.leftOut.push(found.leftOut);
      } else if (!stats.isSocket() && !isLeftOut(folder, entry) && !isOfLogs) {
        walk.leftOut.push({ path: member, kind: 'special' });
      }
    }
  }
  if (control === undefined) throw new PgarcError('failed', `${pgdata}${CONTROL} has vanished`);
  for (const each of walk.leftOut) tellOf(each, pgdata, emit);
  return { ...walk, control };
}

/**
 * Makes sure that no tablespace was missed: each that the server had when the backup began was walked, unless it was
 * dropped meanwhile. The server's map has none that was made since.
 * @param oids of the server's tablespace_map
 * @throws PgarcError `failed`
 */
export function requireTablespaces(
  pgdata: string,
  walked: readonly Tablespace[],
  oids: Iterable<string>,
): void {
  const known = new Set(walked.map(({ oid }) => oid));
  for (const oid of oids) {
    if (known.has(oid) || !lookAt(pgdata, `/pg_tblspc/${oid}`)?.isSymbolicLink()) continue;
    throw new PgarcError('failed', `tablespace ${oid} of the server was not found in ${pgdata}/pg_tblspc`, {
      hint: 'Make sure that nothing but the server changes pg_tblspc, and take the backup again.',
    });
  }
}

function tellOf({ path, kind, target }: LeftOut, pgdata: string, emit: Emit): void {
  const what = kind === 'symlink' ? `a symbolic link to ${target}` : 'a special file';
  const message = `left out ${pgdata}${path}: it is ${what}`;
  const hint =
    'What lies outside of the data directory is not part of a backup: keep a copy, a restored server may need it.';
  emit({ type: 'warning', message, ...(kind === 'symlink' ? { hint } : {}) });
}

function isOmitted(folder: Folder, entry: string, unlogged: ReadonlySet<string> | undefined): boolean {
  if (isLeftOut(folder, entry)) return true;
  if (unlogged === undefined || unlogged.size === 0) return false;
  const file = parseRelationFile(entry);
  return file !== undefined && file.fork !== 'init' && unlogged.has(file.number);
}

type Followed =
  | { directory: WalkedEntry; tablespace?: Tablespace; leftOut?: never }
  | { directory?: never; tablespace?: never; leftOut?: LeftOut };

/** Links: to a tablespace or all of them, in the place of a directory that is kept empty (pg_wal), or foreign. */
async function followLink(
  pgdata: string,
  member: string,
  folder: Folder,
  entry: string,
  versionDirectory: string,
): Promise<Followed> {
  if (folder === 'tablespaces' && /^\d+$/.test(entry)) {
    const directory = `${member}/${versionDirectory}`;
    const stats = lookAt(pgdata, directory);
    if (stats === undefined) {
      // Dropped at this moment: then the link is gone too.
      if (lookAt(pgdata, member) === undefined) return {};
      throw new PgarcError('failed', `tablespace ${entry} has no directory ${pgdata}${directory}`);
    }
    const location = decodeName(await readlink(pathOf(pgdata, member), { encoding: 'buffer' }));
    return { directory: describe(directory, stats), tablespace: { oid: entry, location } };
  }
  if (isKeptEmpty(folder, entry) || folderKind(member) === 'tablespaces') {
    const target = statSync(pathOf(pgdata, member), { bigint: true, throwIfNoEntry: false });
    if (target?.isDirectory()) return { directory: describe(member, target) };
    if (isKeptEmpty(folder, entry)) return {};
  }
  if (isLeftOut(folder, entry)) return {};
  if (isEssential(member)) {
    throw new PgarcError(
      'refused',
      `${pgdata}${member} is a symbolic link: what it points to would be missing`,
      {
        hint: 'Move it back into the data directory, or make the data directory itself the link.',
      },
    );
  }
  const target = await readTarget(pgdata, member);
  return target === undefined ? {} : { leftOut: { path: member, kind: 'symlink', target } };
}

function leadsToDirectory(pgdata: string, member: string): boolean {
  return statSync(pathOf(pgdata, member), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** @returns undefined when the link has vanished */
async function readTarget(pgdata: string, member: string): Promise<string | undefined> {
  try {
    return decodeName(await readlink(pathOf(pgdata, member), { encoding: 'buffer' }));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw describeReadError(error, pgdata, member);
  }
}

/** Tablespaces, and a linked pg_tblspc, within the data directory: they are walked through their links, and only so. */
async function findInnerTablespaces(pgdata: string): Promise<ReadonlySet<string>> {
  const inside = new Set<string>();
  const entries = await listDirectory(pgdata, '/pg_tblspc');
  for (const member of ['/pg_tblspc', ...entries.map((entry) => `/pg_tblspc/${entry}`)]) {
    try {
      const target = decodeName(await realpath(pathOf(pgdata, member), { encoding: 'buffer' }));
      const isLink = lookAt(pgdata, member)?.isSymbolicLink();
      if (isLink && target.startsWith(`${pgdata}/`)) inside.add(target.slice(pgdata.length));
    } catch {
      // The walk itself tells a broken link.
    }
  }
  return inside;
}

async function listDirectory(pgdata: string, name: string): Promise<string[]> {
  try {
    const entries = await readdir(pathOf(pgdata, name));
    // U+FFFD stands for bytes that are no UTF-8: read them as they are.
    if (!entries.some((entry) => entry.includes('\uFFFD'))) return entries;
    const raw = await readdir(pathOf(pgdata, name), { encoding: 'buffer' });
    return raw.map((entry) => decodeName(entry));
  } catch (error) {
    // A database or tablespace dropped while we walk.
    if (isGone(error)) return [];
    throw describeReadError(error, pgdata, name);
  }
}

/** Synchronous: a promise for each of 100 000 files costs more than the call. */
function lookAt(pgdata: string, name: string): BigIntStats | undefined {
  try {
    return lstatSync(pathOf(pgdata, name), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw describeReadError(error, pgdata, name);
  }
}

function describe(name: string, stats: BigIntStats): WalkedEntry {
  return {
    name,
    size: stats.isDirectory() ? 0 : Number(stats.size),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    modifiedNs: stats.mtimeNs,
    crc32c: 0,
  };
}
