import { openEtcd } from '../cluster/etcd.ts';
import { clusterKeys } from '../cluster/keys.ts';
import { listBackupsAnyhow } from '../cluster/list-anyhow.ts';
import type { Settings } from '../config/settings.ts';
import { isPgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import type { BackupList } from './bootstrap-replica.ts';

export interface BackupListDeps {
  store: ObjectStore;
  settings: Settings;
  emit: Emit;
}

/** The list of backups: from the store, or from etcd when the store is slow or down. */
export interface BackupListSource {
  list(signal: AbortSignal): Promise<BackupList>;
  close(): void;
}

/** etcd that cannot even be opened is told of, and nothing worse: the store has the list. */
export function openBackupList({ store, settings, emit }: BackupListDeps): BackupListSource {
  const etcd = open();
  const keys = clusterKeys(settings);
  return {
    list: (signal) => listBackupsAnyhow({ store, etcd, keys, emit }, {}, signal),
    close: () => etcd?.close(),
  };

  function open() {
    try {
      return openEtcd(settings, emit);
    } catch (error) {
      if (!isPgarcError(error)) throw error;
      emit({
        type: 'warning',
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
      return undefined;
    }
  }
}
