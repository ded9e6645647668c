import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type PostmasterPid, readPostmasterPid } from './postmaster.ts';

/** Where a server is asked for. `host` is a name, an address or a socket directory. */
export interface ServerAddress {
  host: string;
  port: number;
}

/** Where libpq and Debian's packages put the socket. */
const SOCKET_DIRS = ['/var/run/postgresql', '/tmp'];
const DEFAULT_PORT = 5432;

/**
 * Finds the server: the settings' host, else the socket that the server of `pgdata` names in its
 * postmaster.pid, else the usual socket directories.
 */
export async function findServer(
  settings: { pgHost: string | undefined; pgPort: number | undefined },
  pgdata: string | undefined,
): Promise<ServerAddress> {
  if (settings.pgHost !== undefined) {
    // libpq takes a list; the first is the one that is meant to be this machine.
    const host = settings.pgHost.split(',')[0]!.trim();
    return { host, port: settings.pgPort ?? DEFAULT_PORT };
  }
  const postmaster = pgdata === undefined ? undefined : await readPostmasterPid(pgdata);
  if (postmaster !== undefined) return addressOf(postmaster, settings.pgPort);
  const port = settings.pgPort ?? DEFAULT_PORT;
  for (const host of SOCKET_DIRS) {
    if (await exists(join(host, `.s.PGSQL.${port}`))) return { host, port };
  }
  return { host: SOCKET_DIRS[0]!, port };
}

function addressOf(postmaster: PostmasterPid, wantedPort: number | undefined): ServerAddress {
  const port = wantedPort ?? postmaster.port;
  // A socket directory may be relative to the data directory, where the server runs.
  if (postmaster.socketDir !== undefined)
    return { host: resolve(postmaster.dataDir, postmaster.socketDir), port };
  const listen = postmaster.listenAddress;
  return {
    host: listen === undefined || listen === '*' || listen === '0.0.0.0' ? 'localhost' : listen,
    port,
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
