import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { askAboutFile } from './client.ts';
import { claimPath, daemonSpool } from './spool.ts';
import { takeFile } from './take-file.ts';

/**
 * Has the daemon of the spool fetch a WAL file, and takes it from there.
 * @returns false when there is no daemon that does it: then the caller does the work itself
 * @throws PgarcError what the daemon's attempt failed with; `wal-not-found` only when the store said so
 */
export async function askForWal(
  settings: Settings,
  { name, destination, cwd }: { name: string; destination: string; cwd: string },
  signal: AbortSignal,
): Promise<boolean> {
  const token = `node-${process.pid}`;
  const file = resolve(cwd, destination);
  const path = `/wal-fetch?name=${encodeURIComponent(name)}&as=${token}`;
  if (!(await askAboutFile(settings, path, file, signal))) return false;
  return takeFile(claimPath(daemonSpool(settings.spool).in, name, token), file);
}
