import { readHolder } from '../cluster/holder.ts';
import { joinElection, type Leadership } from '../cluster/leadership.ts';
import { holdLease, type Lease } from '../cluster/lease.ts';
import type { ClusterDeps } from '../cluster/lock.ts';
import { listMembers, type Member, publishMember } from '../cluster/members.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import type { Emit } from '../report/events.ts';
import { type ChoiceOptions, chooseNode } from './choose-node.ts';
import type { ServerState } from './server-watch.ts';

export interface ElectionDeps extends ClusterDeps {
  emit: Emit;
  /** This node's server, now. */
  look(signal: AbortSignal): Promise<ServerState>;
  /** Whether a job runs here: the lead is not given away before it has ended. */
  isBusy(): boolean;
}

export interface ElectionOptions extends Pick<ChoiceOptions, 'backupFrom' | 'maxLag'> {
  /** Of the leases, ms. */
  ttl: number;
}

/** This node's part in deciding which node of the scope runs the jobs. */
export class Election {
  readonly #deps: ElectionDeps;
  readonly #options: ElectionOptions;
  readonly #leadership: Leadership;
  #lease: Lease | undefined;
  #self: Member | undefined;
  #leader: string | undefined;
  #told: string | undefined;

  constructor(deps: ElectionDeps, options: ElectionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#leadership = joinElection(deps, options);
  }

  /** Whether this node leads, as far as it may rely on that. */
  get isLeader(): boolean {
    return this.#leadership.term !== undefined && !this.#leadership.term.aborted;
  }

  /** Who leads, as of the last beat; undefined while nobody does, or etcd does not answer. */
  get leader(): string | undefined {
    return this.isLeader ? this.#deps.node : this.#leader;
  }

  /** This node as the others see it. */
  get self(): Member | undefined {
    return this.#self;
  }

  /**
   * One beat: looks at this node's server, tells the others, and takes or gives away the lead. Called every few
   * seconds, one at a time.
   * @throws PgarcError `etcd-unreachable`
   */
  async beat(signal: AbortSignal): Promise<void> {
    const { node, isBusy } = this.#deps;
    const state = await this.#deps.look(signal);
    try {
      const others = (await listMembers(this.#deps, signal)).filter((member) => member.node !== node);
      const self = describeMember(node, state, others, new Date());
      this.#self = self;
      await this.#publish(self, signal);
      this.#leader = await this.#readLeader(signal);
      const leader = this.#leader;
      const choice = chooseNode([...others, self], { ...this.#options, leader });
      if (this.isLeader) {
        if (choice.node !== node && !isBusy()) await this.#resign();
      } else if (leader === undefined && choice.node === node) {
        if (await this.#leadership.campaign(signal)) this.#leader = node;
      }
    } catch (error) {
      this.#self ??= describeMember(node, state, [], new Date());
      this.#leader = undefined;
      // That etcd is away is told elsewhere.
      if (this.#told === node && !this.isLeader) this.#tell();
      throw error;
    }
    this.#tell();
  }

  /** Leaves: the lead and this node's record go at once. Never throws. */
  async leave(): Promise<void> {
    await this.#leadership.resign();
    await this.#lease?.close();
    this.#lease = undefined;
  }

  /** Rubbish in its place would keep all from leading, for ever: it is removed. */
  async #readLeader(signal: AbortSignal): Promise<string | undefined> {
    const { etcd, keys, emit } = this.#deps;
    const found = await etcd.get(keys.leader, signal);
    const holder = readHolder(found?.value);
    if (found === undefined || holder !== undefined) return holder?.node;
    if (await etcd.remove(keys.leader, signal, found.modRevision)) {
      emit({ type: 'warning', message: `${keys.leader} held something else than a leader: it was removed` });
    }
    return undefined;
  }

  async #resign(): Promise<void> {
    await this.#leadership.resign();
    this.#leader = undefined;
  }

  async #publish(self: Member, signal: AbortSignal): Promise<void> {
    if (this.#lease?.lost.aborted) {
      await this.#lease.close();
      this.#lease = undefined;
    }
    const { etcd } = this.#deps;
    this.#lease ??= await holdLease(etcd, this.#options.ttl, signal);
    try {
      await publishMember(this.#deps, self, this.#lease.id, signal);
    } catch (error) {
      // A wiped etcd does not know it; the next beat takes a new one.
      await this.#lease.close();
      this.#lease = undefined;
      throw error;
    }
  }

  #tell(): void {
    const { node, emit } = this.#deps;
    const { leader, isLeader } = this;
    const now = leader ?? '';
    if (now === this.#told) return;
    const isFirst = this.#told === undefined;
    this.#told = now;
    if (isFirst && leader === undefined) return;
    emit({ type: 'leadershipChanged', node, leader, isLeader });
  }
}

/** What a node says of itself. How far a replica is behind is told by the record of the primary. Pure. */
export function describeMember(
  node: string,
  { role, lsn, reason }: ServerState,
  others: readonly Member[],
  now: Date,
): Member {
  const primary = others.find((member) => member.role === 'primary' && member.healthy);
  const written = primary?.lsn == null ? undefined : parseLsn(primary.lsn);
  const lag = role === 'primary' || lsn === undefined || written === undefined ? null : written - lsn;
  return {
    node,
    role,
    lagBytes: lag === null ? null : Number(lag > 0n ? lag : 0n),
    lsn: lsn === undefined ? null : formatLsn(lsn),
    healthy: reason === undefined,
    reason: reason ?? null,
    at: now.toISOString(),
  };
}
