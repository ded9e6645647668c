import { access, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { findAccount } from '../postgres/account.ts';
import { readControlFile } from '../postgres/control-file.ts';
import { readPostmasterPid } from '../postgres/postmaster.ts';
import { isAlive } from '../system/process.ts';
import type { FileFacts, Waiting } from './facts.ts';

const READY = '.ready';
/** What Patroni keeps in the data directory: the cluster's settings, for when its store is empty. */
const PATRONI_FILE = 'patroni.dynamic.json';

/**
 * Reads what the data directory says of its cluster; needs no server. @throws PgarcError `failed` when there is no
 * cluster, or it cannot be read
 */
export async function askFiles(pgdata: string): Promise<FileFacts> {
  const control = await readControlFile(pgdata);
  const [version, postmaster, waiting, account, hasPatroni, ...signals] = await Promise.all([
    readFile(join(pgdata, 'PG_VERSION'), 'utf8').catch(() => undefined),
    readPostmasterPid(pgdata).catch(() => undefined),
    readWaiting(join(pgdata, 'pg_wal/archive_status')),
    findAccount(pgdata),
    exists(join(pgdata, PATRONI_FILE)),
    exists(join(pgdata, 'standby.signal')),
    exists(join(pgdata, 'recovery.signal')),
  ]);
  return {
    version: version?.trim(),
    systemIdentifier: control.systemIdentifier.toString(),
    state: control.state,
    timeline: control.timeline,
    modified: control.modified,
    hasPostmaster: postmaster !== undefined && isAlive(postmaster.pid),
    isStandby: signals.some((isThere) => isThere),
    hasPatroni,
    account,
    waiting,
  };
}

async function readWaiting(folder: string): Promise<Waiting> {
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => name.endsWith(READY));
  // PostgreSQL archives by name, so the first has waited longest; a history file has a later name.
  const [oldest] = names.sort();
  const found = oldest === undefined ? undefined : await stat(join(folder, oldest)).catch(() => undefined);
  return { files: names.length, since: found?.mtime };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
