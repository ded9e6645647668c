import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { Etcd } from './etcd.ts';
import { type Holder, readHolder } from './holder.ts';
import type { ClusterKeys, LockName } from './keys.ts';
import { holdLease } from './lease.ts';
import { isFree, takeKey } from './take-key.ts';

export interface ClusterDeps {
  etcd: Etcd;
  keys: ClusterKeys;
  /** This node's name. */
  node: string;
}

export interface LockOptions {
  /** `etcd-lease`, ms. */
  ttl: number;
}

/** A lock that one process of the scope holds. */
export interface ClusterLock {
  readonly name: LockName;
  /** Aborts with a PgarcError as soon as the lock may no longer be relied on: end the work at once. */
  readonly lost: AbortSignal;
  /**
   * Asks etcd whether it is held still; before a step that cannot be undone. While etcd does not answer it is asked
   * again, until the lock is lost.
   * @throws PgarcError the reason of `lost`; the signal's reason
   */
  assertHeld(signal: AbortSignal): Promise<void>;
  /** Never throws: a lock that cannot be given back ends with its lease. */
  release(): Promise<void>;
}

/**
 * Takes a lock of the scope, or says who has it. It does not wait.
 * @throws PgarcError `locked` that names the holder and since when (`details`: node, pid, since); `etcd-unreachable`
 */
export async function acquireLock(
  { etcd, keys, node }: ClusterDeps,
  name: LockName,
  { ttl }: LockOptions,
  signal: AbortSignal,
): Promise<ClusterLock> {
  const key = keys.lock(name);
  const taken = await etcd.get(key, signal);
  if (!isFree(key, taken, ttl))
    throw taken?.lease === undefined ? describeStray(key) : describeHolder(name, readHolder(taken.value));
  const lease = await holdLease(etcd, ttl, signal);
  try {
    const holder: Holder = { node, pid: process.pid, since: new Date().toISOString() };
    const wanted = { key, value: JSON.stringify(holder), lease: lease.id };
    if (!(await takeKey(etcd, wanted, taken, signal))) {
      throw describeHolder(name, readHolder((await etcd.get(key, signal))?.value));
    }
    lease.guard(key);
  } catch (error) {
    await lease.close();
    throw error;
  }
  const lost = new AbortController();
  const onLost = () => lost.abort(describeLoss(name, lease.lost.reason));
  if (lease.lost.aborted) onLost();
  else lease.lost.addEventListener('abort', onLost, { once: true });
  return {
    name,
    lost: lost.signal,
    async assertHeld(other) {
      try {
        await lease.assertHeld(other);
      } catch (error) {
        throw lost.signal.aborted ? lost.signal.reason : error;
      }
    },
    release: () => lease.close(),
  };
}

function describeHolder(name: LockName, holder: Holder | undefined): PgarcError {
  if (holder === undefined) {
    return new PgarcError('locked', `another process of this scope holds the lock ${name}`, {
      hint: 'Try again when it has ended.',
    });
  }
  const { node, pid, since } = holder;
  return new PgarcError('locked', `${node} (pid ${pid}) has held the lock ${name} since ${since}`, {
    hint: 'Try again when it has ended; if that node died, its lock ends with its lease.',
    details: { lock: name, node, pid, since },
  });
}

function describeStray(key: string): PgarcError {
  return new PgarcError('locked', `the key ${key} in etcd is no lock of pgarc: it has no lease`, {
    hint: `Somebody wrote it by hand: \`etcdctl del ${key}\`. A daemon takes it over by itself after the time of a lease.`,
  });
}

function describeLoss(name: LockName, cause: unknown): PgarcError {
  const code = isPgarcError(cause) ? cause.code : 'failed';
  return new PgarcError(code, `the lock ${name} is lost: ${messageOf(cause)}`, {
    cause,
    retryable: true,
    hint: 'Nothing more was done; it is tried again when etcd is back.',
  });
}
