import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';

/** What the daemon keeps in the spool. The launcher knows these names too. */
export interface DaemonSpool {
  readonly folder: string;
  /** Locked and held open for as long as the daemon lives. */
  readonly lock: string;
  /** Who serves which cluster with which settings; there only while somebody does. */
  readonly state: string;
  /** Empty, with the settings file's time of change; there only while there is such a file. */
  readonly settingsMark: string;
  readonly socket: string;
  /** Markers of stored WAL files: `<name>.ok`. */
  readonly out: string;
  /** Fetched WAL files that PostgreSQL will want next. */
  readonly in: string;
}

/** Longest path of a Unix socket on Linux; macOS has 103, bytes. */
const LONGEST_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

/** The paths in a spool's folder; makes none of them. */
export function daemonSpool(folder: string): DaemonSpool {
  return {
    folder,
    lock: join(folder, 'daemon.lock'),
    state: join(folder, 'daemon'),
    settingsMark: join(folder, 'daemon.settings'),
    socket: join(folder, 'daemon.sock'),
    out: join(folder, 'out'),
    in: join(folder, 'in'),
  };
}

/** Where the client that calls itself `token` finds the file it was told is there. */
export function claimPath(folder: string, name: string, token: string): string {
  return join(folder, `${name}.${token}`);
}

/** Makes the folders. @throws PgarcError `failed`; `setting-invalid` when the path is too long for a socket */
export async function makeSpool(spool: DaemonSpool): Promise<void> {
  if (Buffer.byteLength(spool.socket) > LONGEST_SOCKET_PATH) {
    throw new PgarcError('setting-invalid', `${spool.socket} is too long for the path of a socket`, {
      hint: `Set PGARC_SPOOL to a folder of at most ${LONGEST_SOCKET_PATH - '/daemon.sock'.length} bytes.`,
    });
  }
  try {
    await mkdir(spool.folder, { recursive: true });
    for (const folder of [spool.out, spool.in]) await makeFolder(folder);
  } catch (cause) {
    throw new PgarcError('failed', `the spool cannot be written: ${messageOf(cause)}`, {
      cause,
      hint: 'Make it writable for this user, or set PGARC_SPOOL.',
    });
  }
}

/**
 * Removes what a daemon leaves behind: state file first, so that nobody believes the rest while it goes.
 * @throws PgarcError `failed`
 */
export async function emptySpool(spool: DaemonSpool): Promise<void> {
  try {
    for (const path of [spool.state, spool.settingsMark]) await rm(path, { force: true });
    for (const folder of [spool.out, spool.in]) await emptyFolder(folder);
  } catch (cause) {
    throw new PgarcError(
      'failed',
      `what the last daemon left in the spool cannot be removed: ${messageOf(cause)}`,
      {
        cause,
        hint: 'Make the spool writable for this user, or set PGARC_SPOOL.',
      },
    );
  }
}

/** Removes every file in a folder, which there is afterwards. @throws the system's error */
export async function emptyFolder(folder: string): Promise<void> {
  await makeFolder(folder);
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Makes one of the folders again, should somebody have cleaned it away. @throws the system's error */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}
