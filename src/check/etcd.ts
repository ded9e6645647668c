import type { ClusterDeps } from '../cluster/lock.ts';
import { PgarcError } from '../errors.ts';
import type { Finding } from './finding.ts';

const LEASE = 10_000;

/**
 * Does on etcd what locks need: a key under a lease of its own, written, read back, and gone with the lease.
 * @param cluster undefined when the settings name no etcd, or no scope
 */
export async function checkEtcd(
  cluster: ClusterDeps | undefined,
  endpoints: readonly string[],
  signal: AbortSignal,
): Promise<Finding> {
  if (cluster === undefined) return describeNone(endpoints);
  const { etcd, keys, node } = cluster;
  const key = `${keys.own}check/${node}`;
  const lease = await etcd.grantLease(LEASE, signal);
  try {
    const value = new Date().toISOString();
    await etcd.put(key, value, { lease }, signal);
    const found = await etcd.get(key, signal);
    if (found?.value !== value) {
      throw new PgarcError(
        'etcd-unreachable',
        `${key} is not what was written: another node has this name, and checks too`,
        {
          hint: 'Give every node of the scope another PGARC_NODE_NAME.',
        },
      );
    }
  } finally {
    await etcd.revoke(lease, signal);
  }
  if ((await etcd.get(key, signal)) !== undefined) {
    throw new PgarcError('etcd-unreachable', `${key} did not go with its lease`);
  }
  const backups =
    (await etcd.get(keys.waleBackupList, signal)) === undefined
      ? 'no list of backups yet'
      : 'a list of backups';
  return {
    name: 'etcd',
    status: 'ok',
    message: `${etcd.location} takes locks under ${keys.own}, and has ${backups}`,
  };
}

function describeNone(endpoints: readonly string[]): Finding {
  if (endpoints.length === 0) return { name: 'etcd', status: 'skipped', message: 'not configured' };
  return {
    name: 'etcd',
    status: 'warning',
    message: 'etcd-endpoints is set and scope is not, so etcd is not used',
    hint: 'Set PGARC_SCOPE or PATRONI_SCOPE.',
  };
}
