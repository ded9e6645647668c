import { chmodSync, mkdtempSync, readdirSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../src/system/process.ts';
import { atEnd } from './cleanup.ts';
import { giveAway } from './unprivileged.ts';

const PREFIX = 'pgarc-test-';

let root: string | undefined;
let keep = false;

/** Leaves the temporary folders of this process where they are. @returns the folder that holds them */
export function keepTemporaryFolders(): string {
  keep = true;
  return root ?? 'nothing';
}

/**
 * Makes an empty folder (mode 755, owned by the account PostgreSQL runs under), removed with everything in
 * it when the test file ends. The path is short enough for a Unix socket.
 */
export async function makeTemporaryFolder(name = 't'): Promise<string> {
  return makeTemporaryFolderNow(name);
}

/** The same for those who cannot wait. */
export function makeTemporaryFolderNow(name = 't'): string {
  root ??= makeRoot();
  const folder = mkdtempSync(join(root, `${name}-`));
  chmodSync(folder, 0o755);
  giveAway(folder);
  return folder;
}

/** Makes a directory within a temporary folder that belongs to the account PostgreSQL runs under. */
export async function makeOwnedDirectory(path: string, mode = 0o700): Promise<string> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
  giveAway(path);
  return path;
}

function makeRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // Reachable by the account PostgreSQL runs under, whatever the umask.
  chmodSync(folder, 0o755);
  atEnd(async () => {
    root = undefined;
    if (!keep) await removeFolder(folder);
  });
  void removeLeftovers();
  return folder;
}

/** A run that was killed could not remove its folders: do it for those whose process is gone. */
async function removeLeftovers(): Promise<void> {
  for (const entry of readdirSync(tmpdir())) {
    const pid = entry.startsWith(PREFIX) ? Number.parseInt(entry.slice(PREFIX.length), 10) : 0;
    if (pid > 0 && !isAlive(pid)) await removeFolder(join(tmpdir(), entry)).catch(() => undefined);
  }
}

function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
