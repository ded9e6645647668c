import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf } from '../errors.ts';
import type { ControlFile } from '../postgres/control-file.ts';
import type { Emit } from '../report/events.ts';

/** Where the data directory of a WAL file's cluster is looked for. */
export interface ClusterHints {
  /** Of the process: PostgreSQL runs its commands in the data directory. */
  cwd: string;
  /** The setting. */
  pgdata: string | undefined;
}

/**
 * Finds the data directory whose pg_wal holds `path`: its grandparent when the parent is called pg_wal, or
 * the working directory or PGDATA when their pg_wal, which may be a link, is the same directory.
 * @returns undefined for a path that lies in no cluster's pg_wal
 */
export async function findCluster(path: string, hints: ClusterHints): Promise<string | undefined> {
  const folder = dirname(resolve(hints.cwd, path));
  if (basename(folder) === 'pg_wal') return dirname(folder);
  const real = await realpathOrUndefined(folder);
  if (real === undefined) return undefined;
  for (const directory of [hints.cwd, hints.pgdata]) {
    if (directory && (await realpathOrUndefined(join(directory, 'pg_wal'))) === real) return directory;
  }
  return undefined;
}

/**
 * Reads a cluster's pg_control, for its system identifier and segment size.
 * @returns undefined when there is none, or with a warning when it cannot be read: PostgreSQL itself will
 * say so, and a check the less must not stop archiving
 */
export async function readClusterControl(
  directory: string | undefined,
  emit: Emit,
): Promise<ControlFile | undefined> {
  if (directory === undefined) return undefined;
  const { readControlFile } = await import('../postgres/control-file.ts');
  try {
    return await readControlFile(directory);
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code !== 'ENOENT') {
      emit({ type: 'warning', message: `the system identifier is not checked: ${messageOf(error)}` });
    }
    return undefined;
  }
}

function realpathOrUndefined(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}
