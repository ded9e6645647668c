import { readdir, rm } from 'node:fs/promises';

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

/** Removes everything in a directory but one file. Names are bytes, since one need not be UTF-8. */
export async function emptyExcept(directory: string, kept: string): Promise<void> {
  for (const name of await readdir(directory, { encoding: 'buffer' })) {
    if (name.equals(Buffer.from(kept))) continue;
    await rm(Buffer.concat([Buffer.from(`${directory}/`), name]), { recursive: true, force: true });
  }
}
