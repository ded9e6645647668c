import type { Etcd, KeyValue } from './etcd.ts';

/** Keys without a lease that were seen: at which revision, and since when (ms, monotonic). */
const strays = new Map<string, { revision: string; since: number }>();

/**
 * Binds a key to a lease when nobody has it. A key without a lease is nobody's: somebody wrote over it by hand. Its
 * last holder finds that out by his next keep-alive, so it is taken only when it has been so for a lease's time.
 * @param found the key as it was read just now
 * @returns whether it was taken
 * @throws PgarcError `etcd-unreachable`
 */
export async function takeKey(
  etcd: Etcd,
  { key, value, lease }: { key: string; value: string; lease: string },
  found: KeyValue | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const isTaken =
    found === undefined
      ? await etcd.create(key, value, { lease }, signal)
      : await etcd.replace(key, value, found.modRevision, { lease }, signal);
  if (isTaken) strays.delete(key);
  return isTaken;
}

/** Whether a key is free: not there, or without a lease for the time of one. */
export function isFree(key: string, found: KeyValue | undefined, ttlMs: number): boolean {
  if (found === undefined) return true;
  if (found.lease !== undefined) return false;
  const stray = strays.get(key);
  if (stray?.revision === found.modRevision) return performance.now() - stray.since > ttlMs;
  strays.set(key, { revision: found.modRevision, since: performance.now() });
  return false;
}
