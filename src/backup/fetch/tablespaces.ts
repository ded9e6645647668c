import { resolve } from 'node:path';
import { PgarcError } from '../../errors.ts';
import { inspectDirectory, resolvePath } from './destination.ts';
import { requireUntaken } from './taken.ts';

/** Where a tablespace lay and where it goes. Raw bytes as in name-bytes.ts. */
export interface Tablespace {
  oid: string;
  from: string;
  /** Absolute. */
  to: string;
}

export interface TablespaceOptions {
  /** From oid or old path to the new path. */
  map: ReadonlyMap<string, string>;
  /** A directory that gets one directory an oid. */
  root: string | undefined;
}

/**
 * Reads `OLD=NEW`; a backslash before `=` makes it part of a path, as for pg_basebackup.
 * @throws PgarcError `usage`
 */
export function parseTablespaceMap(values: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (const value of values) {
    const match = /^((?:\\.|[^=\\])+)=((?:\\.|[^=\\])+)$/s.exec(value);
    if (match === null) {
      throw new PgarcError('usage', `--tablespace-map ${value} is not of the form OLD=NEW`, {
        hint: "OLD is a tablespace's oid or its directory, NEW the directory it gets; write an = in a path as \\=.",
      });
    }
    map.set(trimSlash(unescapeBackslashes(match[1] ?? '')), resolve(unescapeBackslashes(match[2] ?? '')));
  }
  return map;
}

/**
 * Decides where each tablespace goes: as mapped, else below the root, else to its own place.
 * @param found from oid to where it lay
 * @throws PgarcError `usage` for a mapping of nothing, `refused` for a destination that cannot be taken, `locked`
 * for one that another restore fills
 */
export async function placeTablespaces(
  found: ReadonlyMap<string, string>,
  options: TablespaceOptions,
  pgdata: string,
): Promise<Tablespace[]> {
  requireKnown(found, options.map);
  const tablespaces = [...found].map(([oid, from]) => {
    const mapped = options.map.get(oid) ?? options.map.get(trimSlash(from));
    const to = mapped ?? (options.root === undefined ? from : resolve(options.root, oid));
    return { oid, from, to, isOwnPlace: mapped === undefined && options.root === undefined };
  });
  const taken = new Map([[await resolvePath(pgdata), 'the data directory']]);
  for (const tablespace of tablespaces) {
    const place = await resolvePath(tablespace.to);
    for (const [other, what] of taken) {
      if (isInside(place, other) || isInside(other, place)) {
        throw refuseTablespace(tablespace, `its place ${tablespace.to} overlaps ${what} ${other}`);
      }
    }
    taken.set(place, `tablespace ${tablespace.oid} in`);
    if ((await inspectDirectory(tablespace.to)) === 'occupied') {
      await requireUntaken(tablespace.to);
      throw refuseTablespace(
        tablespace,
        tablespace.isOwnPlace
          ? `its own place ${tablespace.to} is not empty`
          : `its place ${tablespace.to} is not empty`,
      );
    }
  }
  return tablespaces.map(({ oid, from, to }) => ({ oid, from, to }));
}

function requireKnown(found: ReadonlyMap<string, string>, map: ReadonlyMap<string, string>): void {
  const known = new Set([...found.keys(), ...[...found.values()].map(trimSlash)]);
  for (const key of map.keys()) {
    if (known.has(key)) continue;
    const names = [...found].map(([oid, path]) => `${oid} (${path})`).join(', ');
    throw new PgarcError('usage', `--tablespace-map ${key}=…: the backup has no such tablespace`, {
      hint: names === '' ? 'It has none at all.' : `It has ${names}.`,
    });
  }
}

/** The error `refused` for a tablespace that cannot go to its place, with the options that give it another. */
export function refuseTablespace(tablespace: { oid: string; from: string }, reason: string): PgarcError {
  return new PgarcError('refused', `tablespace ${tablespace.oid} cannot be restored: ${reason}`, {
    hint: `Say where it shall go with --tablespace-map ${tablespace.oid}=/new/directory, or where all go with --tablespace-root /directory.`,
    details: { oid: tablespace.oid, path: tablespace.from },
  });
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function unescapeBackslashes(text: string): string {
  return text.replace(/\\([\s\S])/g, '$1');
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
