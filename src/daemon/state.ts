import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** What the launcher must know to use the daemon, one value a line. */
export interface DaemonState {
  pid: number;
  /** Descriptor of the spool's lock, held by the daemon: `/proc/<pid>/fd/<n>` is that file while it lives. */
  lockFd: number;
  /** Descriptor of the cluster's pg_control, held by the daemon. */
  controlFd: number;
  /** Descriptor of the settings file, held by the daemon; undefined when there was none. */
  settingsFd: number | undefined;
  /** Real path of the data directory. */
  pgdata: string;
  /** Settings the daemon was started with. */
  fingerprint: string;
}

/** Writes it, whole or not at all. A path with a line break cannot be told, and the launcher does without. */
export async function writeState(path: string, state: DaemonState): Promise<void> {
  const { pid, lockFd, controlFd, settingsFd, pgdata, fingerprint } = state;
  const lines = [`${pid} ${lockFd} ${controlFd} ${settingsFd ?? '-'}`, pgdata, fingerprint];
  if (lines.some((line) => /[\n\0]/.test(line))) return;
  const temporary = `${path}.new`;
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/**
 * Reads whose daemon it is, and of which data directory. @returns undefined where there is no file, or none that
 * can be read
 */
export async function readState(path: string): Promise<Pick<DaemonState, 'pid' | 'pgdata'> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [first = '', pgdata = ''] = text.split('\n');
  const pid = Number.parseInt(first, 10);
  return pid > 0 && pgdata !== '' ? { pid, pgdata } : undefined;
}

/** From now on launchers do without the daemon. No error where there is no file. */
export async function removeState(path: string): Promise<void> {
  await rm(path, { force: true });
}
