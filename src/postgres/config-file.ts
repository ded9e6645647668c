import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const ENTRY = /^\s*([a-z_][\w$.]*)(?:\s*=\s*|\s+|(?='))('(?:[^'\\]|\\.|'')*'|[^\s#']+)/i;

/**
 * Reads what postgresql.conf sets, as the server does: the last line counts, and what it includes counts where it is
 * included. Only files within the data directory are read.
 * @param name in lower case
 * @returns undefined when nothing sets it
 */
export async function readConfigured(pgdata: string, name: string): Promise<string | undefined> {
  const values: string[] = [];
  for await (const [each, value] of readEntries(pgdata, join(pgdata, 'postgresql.conf'), [])) {
    if (each === name) values.push(value);
  }
  return values.at(-1);
}

async function* readEntries(
  pgdata: string,
  path: string,
  within: readonly string[],
): AsyncGenerator<[name: string, value: string]> {
  if (within.includes(path) || !path.startsWith(`${pgdata}/`)) return;
  const inside = [...within, path];
  // A server tells by itself of a file that it cannot read.
  const text = await readFile(path, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const entry = parseEntry(line);
    if (entry === undefined) continue;
    const [name, value] = entry;
    const included = resolve(dirname(path), value);
    if (name === 'include' || name === 'include_if_exists') yield* readEntries(pgdata, included, inside);
    else if (name === 'include_dir') yield* readDirectory(pgdata, included, inside);
    else yield entry;
  }
}

async function* readDirectory(pgdata: string, directory: string, within: readonly string[]) {
  const names = await readdir(directory).catch(() => []);
  // By their bytes, as the server sorts them.
  for (const name of names.sort()) {
    if (name.endsWith('.conf') && !name.startsWith('.'))
      yield* readEntries(pgdata, join(directory, name), within);
  }
}

/** A line of a configuration file (guc-file.l). @returns undefined for a comment, and for what is none */
export function parseEntry(line: string): [name: string, value: string] | undefined {
  const match = ENTRY.exec(line);
  if (match === null) return undefined;
  const [, name = '', value = ''] = match;
  return [name.toLowerCase(), value.startsWith("'") ? unquote(value.slice(1, -1)) : value];
}

const CONTROLS: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** GUC_scanstr: a quote is doubled, a backslash begins an octal byte, a control character or stands for the next. */
function unquote(text: string): string {
  return text.replace(/''|\\([0-7]{1,3}|[\s\S])/g, (_, escaped: string | undefined) => {
    if (escaped === undefined) return "'";
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8));
    return CONTROLS[escaped] ?? escaped;
  });
}
