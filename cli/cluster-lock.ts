import type { ClusterDeps, ClusterLock } from '../src/cluster/lock.ts';
import type { Settings } from '../src/config/settings.ts';
import { isPgarcError, messageOf, PgarcError } from '../src/errors.ts';
import type { ObjectStore } from '../src/store/store.ts';
import type { CliContext } from './context.ts';

export interface SharedWork {
  settings: Settings;
  store: ObjectStore;
  /** The lock it needs; undefined for none. */
  lock: 'backup' | 'retain' | undefined;
  /** Whether it goes on, with a warning, when etcd is not reachable. */
  canDoWithout: boolean;
}

/** Writing the list into etcd after the work is done may take so long, ms. */
const REFRESH_LIMIT = 60_000;

/**
 * Does work that changes the archive's backups: under the scope's lock where etcd is set, and with the lists in
 * etcd refreshed afterwards. The signal also aborts when the lock is lost.
 * @throws PgarcError `locked` when another holds it; `etcd-unreachable` when the work cannot do without
 */
export async function shareWork<T>(
  context: CliContext,
  work: SharedWork,
  run: (store: ObjectStore, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { settings, store } = work;
  if (settings.etcdEndpoints.length === 0 || settings.scope === undefined) return run(store, context.signal);
  const { openCluster } = await import('../src/cluster/open.ts');
  const cluster = openCluster(settings);
  if (cluster === undefined) return run(store, context.signal);
  try {
    const lock = work.lock && (await takeLock(context, cluster, work, work.lock));
    const result =
      lock === undefined ? await run(store, context.signal) : await runLocked(context, store, lock, run);
    await refresh(context, cluster, store);
    return result;
  } finally {
    cluster.etcd.close();
  }
}

async function takeLock(
  context: CliContext,
  cluster: ClusterDeps,
  { settings, canDoWithout }: SharedWork,
  name: 'backup' | 'retain',
): Promise<ClusterLock | undefined> {
  const { acquireLock } = await import('../src/cluster/lock.ts');
  try {
    return await acquireLock(cluster, name, { ttl: settings.etcdLease }, context.signal);
  } catch (error) {
    if (!isPgarcError(error, 'etcd-unreachable')) throw error;
    if (canDoWithout) {
      const message = `${error.message}; going on without the lock ${name}`;
      context.emit({ type: 'warning', message });
      return undefined;
    }
    throw new PgarcError(error.code, error.message, {
      cause: error,
      hint: 'Nothing was deleted. When no other node deletes now, add --without-lock.',
      retryable: error.retryable,
      ...(error.details === undefined ? {} : { details: error.details }),
    });
  }
}

async function runLocked<T>(
  context: CliContext,
  store: ObjectStore,
  lock: ClusterLock,
  run: (store: ObjectStore, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { guardStore } = await import('../src/cluster/guard-store.ts');
  try {
    return await run(guardStore(store, lock), AbortSignal.any([context.signal, lock.lost]));
  } catch (error) {
    // What was aborted failed in many ways; this is why.
    throw lock.lost.aborted && !context.signal.aborted ? lock.lost.reason : error;
  } finally {
    await lock.release();
  }
}

/** The work is done by now: a failure is no more than a warning. */
async function refresh(context: CliContext, cluster: ClusterDeps, store: ObjectStore): Promise<void> {
  const { refreshLists } = await import('../src/cluster/refresh-lists.ts');
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(REFRESH_LIMIT)]);
  try {
    await refreshLists({ ...cluster, store, emit: context.emit }, signal);
  } catch (error) {
    const why = signal.aborted ? 'it took too long' : messageOf(error);
    context.emit({ type: 'warning', message: `the list of backups in etcd is not refreshed: ${why}` });
  }
}
