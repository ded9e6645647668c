import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';
import { isMissing } from '../system/file-error.ts';

/** What a running server writes into `postmaster.pid` (PostgreSQL: pidfile.h, LOCK_FILE_LINE_*). */
export interface PostmasterPid {
  pid: number;
  dataDir: string;
  startTime: Date;
  port: number;
  /** First of unix_socket_directories, or undefined when there is none. */
  socketDir: string | undefined;
  /** First of listen_addresses, or undefined when the server listens on none; `*` for all. */
  listenAddress: string | undefined;
}

/**
 * Reads `PGDATA/postmaster.pid`.
 * @returns undefined when there is none or it is not complete yet
 * @throws PgarcError `refused` when it may not be read
 */
export async function readPostmasterPid(pgdata: string): Promise<PostmasterPid | undefined> {
  try {
    return parsePostmasterPid(await readFile(join(pgdata, 'postmaster.pid'), 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new PgarcError('refused', `cannot read ${join(pgdata, 'postmaster.pid')}: ${messageOf(error)}`, {
      hint: 'Run pgarc as the user that PostgreSQL runs as, or name the server with PGHOST.',
      cause: error,
    });
  }
}

/** Reads the text of a `postmaster.pid`. @returns undefined when it is not complete */
export function parsePostmasterPid(text: string): PostmasterPid | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const [pid, dataDir, startTime, port, socketDir, listenAddress] = lines;
  // A stand-alone backend writes a negative process id, and a starting server has not written the port.
  if (!/^-?\d+$/.test(pid ?? '') || !/^\d+$/.test(startTime ?? '') || !/^\d+$/.test(port ?? '')) {
    return undefined;
  }
  return {
    pid: Math.abs(Number(pid)),
    dataDir: dataDir ?? '',
    startTime: new Date(Number(startTime) * 1000),
    port: Number(port),
    socketDir: socketDir || undefined,
    listenAddress: listenAddress || undefined,
  };
}
