import { readdir, realpath, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf, PgarcError } from '../../errors.ts';
import { readPostmasterPid } from '../../postgres/postmaster.ts';
import { quoteForShell } from '../../report/shell.ts';
import { formatBytes } from '../../report/units.ts';
import { codeOf } from '../../system/file-error.ts';
import { isAlive } from '../../system/process.ts';
import { decodeName, toPath } from '../format/name-bytes.ts';
import { listBesideMark } from './mark.ts';

/** What a directory looks like to someone who wants it empty. */
export type Occupancy = 'absent' | 'empty' | 'occupied';

/**
 * A mark does not count: whose it is shows when the directory is taken.
 * @throws PgarcError `refused` when it is no directory or cannot be read
 */
export async function inspectDirectory(path: string): Promise<Occupancy> {
  try {
    await readdir(toPath(path));
    return (await listBesideMark(path)).length === 0 ? 'empty' : 'occupied';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'absent';
    throw new PgarcError('refused', `${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/** Why a data directory that holds something is not taken: `server-running` or `directory-not-empty`. */
export async function refuseOccupied(pgdata: string): Promise<PgarcError> {
  const postmaster = await readPostmasterPid(pgdata);
  if (postmaster !== undefined && isAlive(postmaster.pid)) {
    return new PgarcError(
      'server-running',
      `a PostgreSQL server runs in ${pgdata} (process ${postmaster.pid})`,
      {
        hint: `Restore into another directory, or stop it and move this one away: pg_ctl stop -D ${quoteForShell(pgdata)}`,
      },
    );
  }
  return new PgarcError('directory-not-empty', `${pgdata} is not empty`, {
    hint: `pgarc never overwrites: move it away (mv ${quoteForShell(pgdata)} ${quoteForShell(`${pgdata}.old`)}) or restore elsewhere.`,
  });
}

/** Bytes that a restore will write below one of several directories, which may be absent. */
export interface SpaceNeed {
  paths: readonly string[];
  bytes: number;
}

/**
 * Compares needs with the free space of the file systems. A need of several directories is met by all of
 * their free space together, because how it is spread is not on record.
 * @throws PgarcError `no-space`
 */
export async function requireSpace(needs: readonly SpaceNeed[]): Promise<void> {
  const sums = new Map<string, { path: string; bytes: number; free: number }>();
  for (const { paths, bytes } of needs) {
    const systems = new Map<number, number>();
    for (const path of paths) {
      const existing = await nearestExisting(path);
      const { bavail, bsize } = await statfs(toPath(existing));
      systems.set((await stat(toPath(existing))).dev, bavail * bsize);
    }
    const key = [...systems.keys()].join();
    const free = [...systems.values()].reduce((sum, value) => sum + value, 0);
    const sum = sums.get(key) ?? { path: paths.join(', '), bytes: 0, free };
    sums.set(key, { ...sum, bytes: sum.bytes + bytes });
  }
  for (const { path, bytes, free } of sums.values()) {
    if (bytes <= free) continue;
    throw new PgarcError(
      'no-space',
      `the restore writes ${formatBytes(bytes)} to ${path}, where ${formatBytes(free)} are free`,
      {
        hint: 'Free some space, or put tablespaces elsewhere with --tablespace-map.',
        details: { path, bytes, free },
      },
    );
  }
}

/** The path with symlinks resolved as far as it exists. */
export async function resolvePath(path: string): Promise<string> {
  const absolute = resolve(path);
  const existing = await nearestExisting(absolute);
  const real = decodeName(await realpath(toPath(existing), { encoding: 'buffer' }));
  return join(real, absolute.slice(existing.length));
}

async function nearestExisting(path: string): Promise<string> {
  for (let current = resolve(path); ; current = dirname(current)) {
    const found = await stat(toPath(current)).then(
      () => true,
      () => false,
    );
    if (found || current === dirname(current)) return current;
  }
}
