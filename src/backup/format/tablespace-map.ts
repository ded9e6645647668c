import { decodeName, encodeName } from './name-bytes.ts';

/** Reads a `tablespace_map` file (xlogrecovery.c, read_tablespace_map): from oid to path, raw bytes as in name-bytes.ts. */
export function parseTablespaceMapFile(content: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  // A line feed after a backslash belongs to a path.
  for (const line of decodeName(content).match(/(?:\\[\s\S]|[^\\\n\r])+/g) ?? []) {
    const space = line.indexOf(' ');
    if (space > 0) found.set(line.slice(0, space), line.slice(space + 1).replace(/\\([\s\S])/g, '$1'));
  }
  return found;
}

/** Writes a `tablespace_map` file (xlog.c, do_pg_backup_start). @param places from oid to path */
export function formatTablespaceMapFile(places: Iterable<readonly [oid: string, path: string]>): Buffer {
  const lines = Array.from(places, ([oid, path]) => `${oid} ${path.replace(/[\n\r\\]/g, '\\$&')}\n`);
  return encodeName(lines.join(''));
}
