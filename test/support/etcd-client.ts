import { type Etcd, openEtcd } from '../../src/cluster/etcd.ts';
import { type ClusterKeys, clusterKeys } from '../../src/cluster/keys.ts';
import { loadSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import type { Emit } from '../../src/report/events.ts';
import { atEnd } from './cleanup.ts';

export interface TestClient {
  etcd: Etcd;
  keys: ClusterKeys;
  settings: Settings;
}

/** pgarc's client with settings such as `TestEtcd.env()` gives; closed when the test file ends. */
export async function openTestClient(env: Record<string, string>, emit?: Emit): Promise<TestClient> {
  const { settings } = await loadSettings({ flags: {}, environment: env, config: undefined });
  const etcd = openEtcd(settings, emit);
  if (etcd === undefined) throw new Error('no endpoints or no scope');
  atEnd(() => etcd.close());
  return { etcd, keys: clusterKeys(settings), settings };
}
