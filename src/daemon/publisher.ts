import type { BigIntStats } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import type { Emit } from '../report/events.ts';
import type { Cluster } from './cluster.ts';
import { copyModified } from './marker.ts';
import type { DaemonSpool } from './spool.ts';
import { removeState, writeState } from './state.ts';

/** What launchers must share with the daemon to use it. */
export interface SharedSettings {
  /** What the launcher compares with its environment; undefined when it cannot be the same. */
  fingerprint: string | undefined;
  /** Where settings are read from, and what was there before they were read; undefined when nothing was. */
  settingsFile: { path: string; found: BigIntStats | undefined };
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
    if (fingerprint === undefined || (await this.#haveSettingsChanged())) return;
    const { found } = settingsFile;
    if (found !== undefined && !(await copyModified(found, this.#spool.settingsMark))) return;
    await writeState(this.#spool.state, {
      pid: process.pid,
      lockFd: this.#lock.fd,
      controlFd: cluster.control.fd,
      pgdata: cluster.pgdata,
      fingerprint,
    });
  }

  async withdraw(): Promise<void> {
    await removeState(this.#spool.state);
  }

  /** Withdraws when the settings file is not what it was; launchers see that for themselves, at once. */
  async checkSettings(): Promise<void> {
    if (!(await this.#haveSettingsChanged())) return;
    await this.withdraw();
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#emit({
      type: 'warning',
      message: `${this.#shared.settingsFile.path} has changed: wal-push and wal-fetch do without this daemon`,
      hint: 'Restart it.',
    });
  }

  async #haveSettingsChanged(): Promise<boolean> {
    const { path, found } = this.#shared.settingsFile;
    const now = await stat(path, { bigint: true }).catch(() => undefined);
    return now?.mtimeNs !== found?.mtimeNs;
  }
}
