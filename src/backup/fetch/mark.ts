import { readdir, rm } from 'node:fs/promises';
import { codeOf } from '../../system/file-error.ts';
import { toPath } from '../format/name-bytes.ts';

/**
 * The file that says that pgarc is restoring into the directory it lies in. PostgreSQL, its tools and pgarc leave
 * files with this prefix out of every backup (PG_TEMP_FILE_PREFIX), should one ever stay behind.
 */
export const MARK = 'pgsql_tmp.pgarc-restore';

export interface Mark {
  /** Tells one attempt from another. */
  id: string;
  /** Directories that were empty when this attempt took them. */
  tablespaces: readonly string[];
}

/** A line of a mark. Lines are only ever added, so that a torn one costs nothing else. */
export function formatMark(line: Partial<Mark>): string {
  return `${JSON.stringify(line)}\n`;
}

/** Reads a mark. @returns undefined when nothing whole is in it */
export function parseMark(text: string): Mark | undefined {
  let id: string | undefined;
  const tablespaces: string[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      const found = JSON.parse(line) as Partial<Mark> | null;
      if (typeof found?.id === 'string' && found.id !== '') id = found.id;
      if (Array.isArray(found?.tablespaces)) {
        tablespaces.push(
          ...found.tablespaces.filter((path) => typeof path === 'string' && path.startsWith('/')),
        );
      }
    } catch {
      // The line that was being written when the attempt was killed.
    }
  }
  return id === undefined ? undefined : { id, tablespaces };
}

/**
 * Removes everything in a directory but the mark; what can be removed is, even when something cannot. Names are
 * bytes, since one need not be UTF-8.
 * @throws errors of the file system, the first
 */
export async function emptyDirectory(directory: string): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await listBesideMark(directory)) {
    const path = Buffer.concat([Buffer.from(toPath(directory)), Buffer.from('/'), name]);
    await rm(path, { recursive: true, force: true }).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** What lies in a directory beside a mark; nothing when it is not there. */
export async function listBesideMark(directory: string): Promise<Buffer[]> {
  return (await listDirectory(directory)).filter((name) => !name.equals(Buffer.from(MARK)));
}

async function listDirectory(directory: string): Promise<Buffer[]> {
  try {
    return await readdir(toPath(directory), { encoding: 'buffer' });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
