import type { ObjectStore } from '../store/store.ts';
import { readIdentity } from '../wal/identity.ts';
import { findOwner } from '../wal/owner.ts';
import type { Finding } from './finding.ts';

/** Compares whose archive it is with the cluster that is here, without claiming anything. */
export async function checkIdentity(
  store: ObjectStore,
  systemIdentifier: bigint | undefined,
  signal: AbortSignal,
): Promise<Finding> {
  const owner = (await readIdentity(store, signal)) ?? (await findOwner(store, signal));
  if (owner === undefined) {
    return {
      name: 'identity',
      status: 'ok',
      message: "the archive is empty: the first push makes it this cluster's",
    };
  }
  if (systemIdentifier === undefined) {
    return {
      name: 'identity',
      status: 'skipped',
      message: `the archive belongs to system identifier ${owner}; no cluster is known to compare it with`,
    };
  }
  if (owner === systemIdentifier) {
    return { name: 'identity', status: 'ok', message: `archive and cluster have system identifier ${owner}` };
  }
  return {
    name: 'identity',
    status: 'failed',
    message: `the archive belongs to system identifier ${owner}, this cluster is ${systemIdentifier}`,
    hint: 'Give this cluster a prefix of its own: set PGARC_STORE to a new one.',
    exitCode: 4,
  };
}
