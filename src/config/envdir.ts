import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';
import type { Environment } from './foreign.ts';

/**
 * The environment after `--envdir DIR`, by the rules of daemontools' envdir (cr.yp.to/daemontools/envdir.html):
 * the first line of DIR/NAME is the value of NAME, without blanks at its end; a NUL in it is a line break; an
 * empty file removes the variable. The folder is stronger than what was there.
 * @throws PgarcError `setting-invalid` when it cannot be read
 */
export function applyEnvdir(directory: string, environment: Environment): Environment {
  const result: Record<string, string | undefined> = { ...environment };
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      // Kubernetes mounts secrets as links beside folders called `..data`.
      if (entry.name.startsWith('.') || entry.name.includes('=') || entry.isDirectory()) continue;
      const content = readFileSync(join(directory, entry.name), 'utf8');
      if (content === '') delete result[entry.name];
      else result[entry.name] = readFirstLine(content);
    }
  } catch (error) {
    throw new PgarcError('setting-invalid', `--envdir ${directory}: ${messageOf(error)}`, {
      cause: error,
      hint: 'It must be a folder with one readable file a variable.',
    });
  }
  return result;
}

function readFirstLine(content: string): string {
  const line = content.split('\n', 1)[0] ?? '';
  return line.replace(/[ \t\r]+$/, '').replaceAll('\0', '\n');
}
