import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The login a password is looked up for. */
export interface PasswordQuestion {
  /** Host name, address or socket directory. */
  host: string;
  port: number;
  database: string;
  user: string;
}

/**
 * Looks a password up in a libpq password file (PostgreSQL: "The Password File"): `~/.pgpass` when no path
 * is given. A file that others can read is not used, as libpq does.
 */
export async function findPassword(
  question: PasswordQuestion,
  path: string | undefined,
): Promise<string | undefined> {
  const file = path ?? join(homedir(), '.pgpass');
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) return undefined;
    return matchPassword(await readFile(file, 'utf8'), question);
  } catch {
    return undefined;
  }
}

/** Finds the first line of a password file that fits. */
export function matchPassword(text: string, question: PasswordQuestion): string | undefined {
  // A socket in the default directory is looked up as localhost.
  const hosts = question.host.startsWith('/') ? [question.host, 'localhost'] : [question.host];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = splitFields(line);
    if (fields.length !== 5) continue;
    const [host, port, database, user, password] = fields as [string, string, string, string, string];
    const fits =
      (host === '*' || hosts.includes(host)) &&
      (port === '*' || port === String(question.port)) &&
      (database === '*' || database === question.database) &&
      (user === '*' || user === question.user);
    if (fits) return password;
  }
  return undefined;
}

/** Splits at the first four colons; a backslash takes the next character as it is. */
function splitFields(line: string): string[] {
  const fields: string[] = [];
  let field = '';
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '\\' && at + 1 < line.length) field += line[++at];
    else if (line[at] === ':' && fields.length < 4) {
      fields.push(field);
      field = '';
    } else field += line[at];
  }
  fields.push(field);
  return fields;
}
