import { backupOfSentinelKey } from '../backup/format/keys.ts';
import type { ObjectStore } from '../store/store.ts';
import type { ClusterLock } from './lock.ts';

/** An answer of etcd that is younger than this, ms, still counts: deletions come in many requests. */
const FRESH = 1000;

/**
 * The store as one may use it who holds a lock: before what cannot be undone, etcd is asked whether the lock is
 * held still. That is the sentinel of a backup, by which it exists, and under other locks than that of backups
 * every deletion; a backup that is broken off deletes what is its own alone.
 */
export function guardStore(store: ObjectStore, lock: Pick<ClusterLock, 'name' | 'assertHeld'>): ObjectStore {
  let asked = Number.NEGATIVE_INFINITY;
  async function assertHeld(signal: AbortSignal | undefined): Promise<void> {
    const now = performance.now();
    if (now - asked < FRESH) return;
    await lock.assertHeld(signal ?? new AbortController().signal);
    asked = now;
  }
  const putIfAbsent: ObjectStore['putIfAbsent'] = async (key, body, options) => {
    if (backupOfSentinelKey(key) !== undefined) await assertHeld(options?.signal);
    return store.putIfAbsent(key, body, options);
  };
  const remove: ObjectStore['delete'] = async (keys, options) => {
    await assertHeld(options?.signal);
    return store.delete(keys, options);
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'putIfAbsent') return putIfAbsent;
      if (name === 'delete' && lock.name !== 'backup') return remove;
      const value: unknown = Reflect.get(target, name, target);
      // A store's own fields are private to itself.
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
