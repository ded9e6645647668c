import type { Settings } from '../config/settings.ts';
import type { Emit } from '../report/events.ts';
import { openEtcd } from './etcd.ts';
import { clusterKeys } from './keys.ts';
import type { ClusterDeps } from './lock.ts';

/**
 * What the settings say of etcd, the scope's keys and this node. `etcd.close()` when it is no longer needed.
 * @param emit hears once when etcd goes and once when it is back
 * @returns undefined when they name no etcd or no scope
 * @throws PgarcError `setting-invalid`
 */
export function openCluster(settings: Settings, emit?: Emit): ClusterDeps | undefined {
  const etcd = openEtcd(settings, emit);
  return etcd && { etcd, keys: clusterKeys(settings), node: settings.nodeName };
}
