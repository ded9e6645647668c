import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';
import { codeOf } from '../system/file-error.ts';
import { readPostmasterPid } from './postmaster.ts';
import type { ServerFacts } from './server.ts';

/** Between what postmaster.pid and the server call its start lies the time it took to get memory. */
const START_TIME_TOLERANCE = 60_000;

/** Resolves a data directory's path. @throws PgarcError `usage` when it is none or cannot be read */
export async function requireDataDirectory(path: string): Promise<string> {
  let resolved: string;
  try {
    resolved = await realpath(path);
    await stat(join(resolved, 'PG_VERSION'));
    await stat(join(resolved, 'global', 'pg_control'));
  } catch (error) {
    const denied = codeOf(error) === 'EACCES';
    throw new PgarcError(
      'usage',
      denied
        ? `cannot read the data directory ${path}: ${messageOf(error)}`
        : `${path} is not a PostgreSQL data directory: ${messageOf(error)}`,
      {
        cause: error,
        hint: denied
          ? 'Run pgarc as the user that PostgreSQL runs as.'
          : 'Name the data directory of the running server, or set PGDATA.',
      },
    );
  }
  return resolved;
}

/**
 * Proves that the server that was connected to runs on this very directory. The same system identifier is
 * not enough: a standby may live beside its primary.
 * @throws PgarcError `refused`
 */
export async function requireSameCluster(
  pgdata: string,
  controlSystemIdentifier: bigint,
  facts: ServerFacts,
): Promise<void> {
  if (controlSystemIdentifier !== facts.systemIdentifier) {
    throw refuse(
      pgdata,
      `it has system identifier ${controlSystemIdentifier}, the server ${facts.systemIdentifier}`,
    );
  }
  if (facts.dataDirectory !== undefined && (await isSameDirectory(pgdata, facts.dataDirectory))) return;
  // Another path to it, in a container for instance: the server's own mark in the directory decides.
  const postmaster = await readPostmasterPid(pgdata);
  if (postmaster === undefined) throw refuse(pgdata, 'no server runs on it');
  const apart = Math.abs(postmaster.startTime.getTime() - facts.startTime.getTime());
  if (postmaster.port !== facts.port || apart > START_TIME_TOLERANCE) {
    const place = facts.dataDirectory === undefined ? 'elsewhere' : `on ${facts.dataDirectory}`;
    throw refuse(pgdata, `the server on port ${facts.port} runs ${place}`);
  }
}

async function isSameDirectory(one: string, other: string): Promise<boolean> {
  try {
    const [left, right] = await Promise.all([stat(one, { bigint: true }), stat(other, { bigint: true })]);
    return left.dev === right.dev && left.ino === right.ino;
  } catch {
    return false;
  }
}

function refuse(pgdata: string, reason: string): PgarcError {
  return new PgarcError(
    'refused',
    `${pgdata} is not the data directory of the server that was connected to: ${reason}`,
    { hint: 'Name the right data directory, or the right server with PGHOST and PGPORT.' },
  );
}
