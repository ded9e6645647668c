import { isAbsolute } from 'node:path';
import { readConfigured } from '../../postgres/config-file.ts';
import { quoteForShell } from '../../report/shell.ts';
import { resolvePath } from './destination.ts';

/**
 * Finds the directory that data_directory of a restored postgresql.conf names, when it is not the restored one: a
 * server that is started with `-D` of the restored one runs on it, which may be the original. PostgreSQL heeds the
 * setting only there, not in postgresql.auto.conf (guc.c, SelectConfigFiles).
 */
export async function findElsewhere(pgdata: string): Promise<string | undefined> {
  const named = await readConfigured(pgdata, 'data_directory');
  if (named === undefined) return undefined;
  return isAbsolute(named) && (await isSamePlace(named, pgdata)) ? undefined : named;
}

async function isSamePlace(path: string, other: string): Promise<boolean> {
  try {
    return (await resolvePath(path)) === (await resolvePath(other));
  } catch {
    return false;
  }
}

/** The command that starts a server on `pgdata`, whatever its postgresql.conf says. */
export function formatStart(pgdata: string, elsewhere: string | undefined): string {
  const start = ['pg_ctl', '-D', quoteForShell(pgdata)];
  // A shell of pg_ctl's own reads it once more.
  if (elsewhere !== undefined)
    start.push('-o', quoteForShell(`-c ${quoteForShell(`data_directory=${pgdata}`)}`));
  return [...start, 'start'].join(' ');
}

/** What a restore says of it. */
export function warnOfElsewhere(pgdata: string, elsewhere: string): string {
  return `data_directory in postgresql.conf names ${elsewhere}, and a server started on ${pgdata} would run there: take the line out, or start it with ${formatStart(pgdata, elsewhere)}`;
}
