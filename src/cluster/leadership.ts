import { PgarcError } from '../errors.ts';
import { type Holder, readHolder } from './holder.ts';
import { holdLease, type Lease } from './lease.ts';
import type { ClusterDeps, LockOptions } from './lock.ts';
import { isFree, takeKey } from './take-key.ts';

/** One node's part in the election of the scope's leader. */
export interface Leadership {
  /** Aborts when the present term ends, by loss or resignation; undefined while this node does not lead. */
  readonly term: AbortSignal | undefined;
  /**
   * Takes the lead when nobody has it; nothing to do when this node leads already.
   * @returns whether this node leads now
   * @throws PgarcError `etcd-unreachable`
   */
  campaign(signal: AbortSignal): Promise<boolean>;
  /** Gives the lead away, so that another can take it at once. Never throws. */
  resign(): Promise<void>;
}

/** Joins the election; no request is sent yet. `resign` when the node leaves. */
export function joinElection(deps: ClusterDeps, options: LockOptions): Leadership {
  let lease: Lease | undefined;
  let term: AbortController | undefined;

  async function end(reason: unknown): Promise<void> {
    const ending = lease;
    lease = undefined;
    term?.abort(reason);
    term = undefined;
    await ending?.close();
  }

  return {
    get term() {
      return lease?.lost.aborted ? undefined : term?.signal;
    },
    async campaign(signal) {
      if (lease !== undefined && !lease.lost.aborted) return true;
      await end(lease?.lost.reason);
      const { leader } = deps.keys;
      const found = await deps.etcd.get(leader, signal);
      if (!isFree(leader, found, options.ttl)) return false;
      const candidate = await holdLease(deps.etcd, options.ttl, signal);
      let isElected = false;
      try {
        const holder: Holder = { node: deps.node, pid: process.pid, since: new Date().toISOString() };
        const wanted = { key: leader, value: JSON.stringify(holder), lease: candidate.id };
        isElected = await takeKey(deps.etcd, wanted, found, signal);
      } finally {
        if (!isElected) await candidate.close();
      }
      if (!isElected) return false;
      candidate.guard(leader);
      const started = new AbortController();
      lease = candidate;
      term = started;
      candidate.lost.addEventListener('abort', () => started.abort(candidate.lost.reason), { once: true });
      return true;
    },
    resign: () => end(new PgarcError('interrupted', 'this node gave up the lead')),
  };
}

/** Who leads. @returns undefined when nobody does, or the key holds rubbish */
export async function readLeader(
  { etcd, keys }: Pick<ClusterDeps, 'etcd' | 'keys'>,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  return readHolder((await etcd.get(keys.leader, signal))?.value);
}
