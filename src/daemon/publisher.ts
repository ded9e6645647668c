import type { FileHandle } from 'node:fs/promises';
import type { Emit } from '../report/events.ts';
import type { Cluster } from './cluster.ts';
import { copyModified } from './marker.ts';
import { hasSettingsFileChanged, type SettingsFile } from './settings-file.ts';
import type { DaemonSpool } from './spool.ts';
import { removeState, writeState } from './state.ts';

/** What launchers must share with the daemon to use it. */
export interface SharedSettings {
  /** What the launcher compares with its environment; undefined when it cannot be the same. */
  fingerprint: string | undefined;
  settingsFile: SettingsFile;
}

/** Tells launchers which cluster is served, with which settings, through the state file. */
export class Publisher {
  readonly #spool: DaemonSpool;
  readonly #lock: FileHandle;
  readonly #shared: SharedSettings;
  readonly #emit: Emit;
  #hasWarned = false;

  /** @param lock the spool's, held open */
  constructor(spool: DaemonSpool, lock: FileHandle, shared: SharedSettings, emit: Emit) {
    this.#spool = spool;
    this.#lock = lock;
    this.#shared = shared;
    this.#emit = emit;
  }

  async publish(cluster: Cluster): Promise<void> {
    const { fingerprint, settingsFile } = this.#shared;
    if (fingerprint === undefined || (await hasSettingsFileChanged(settingsFile))) return;
    const { held } = settingsFile;
    if (held !== undefined && !(await copyModified(held.stats, this.#spool.settingsMark))) return;
    await writeState(this.#spool.state, {
      pid: process.pid,
      lockFd: this.#lock.fd,
      controlFd: cluster.control.fd,
      settingsFd: held?.handle.fd,
      pgdata: cluster.pgdata,
      fingerprint,
    });
  }

  async withdraw(): Promise<void> {
    await removeState(this.#spool.state);
  }

  /**
   * Withdraws when the settings file is not what it was. Launchers see that for themselves, at once, unless the
   * very file was written to and given its old time again.
   */
  async checkSettings(): Promise<void> {
    if (!(await hasSettingsFileChanged(this.#shared.settingsFile))) return;
    await this.withdraw();
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#emit({
      type: 'warning',
      message: `${this.#shared.settingsFile.path} has changed: wal-push and wal-fetch do without this daemon`,
      hint: 'Restart it.',
    });
  }
}
