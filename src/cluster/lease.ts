import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { Etcd } from './etcd.ts';

/** A lease in etcd that is kept alive. */
export interface Lease {
  readonly id: string;
  /**
   * Aborts with a PgarcError when the lease may no longer be relied on: no keep-alive succeeded for two thirds of
   * its time, etcd says that it is gone, or a guarded key is. What stands on the lease must end then; a third
   * of the time is left for that.
   */
  readonly lost: AbortSignal;
  /** From now on each keep-alive also looks whether this key is there and bound to this lease. */
  guard(key: string): void;
  /**
   * Asks etcd now, and again while it does not answer and the lease is good.
   * @throws PgarcError the reason of `lost` when it is lost; the signal's reason
   */
  assertHeld(signal: AbortSignal): Promise<void>;
  /** Ends it, with its keys; `lost` does not abort for that. Never throws: a lease left behind ends by itself. */
  close(): Promise<void>;
}

/** Part of a lease's time without a good keep-alive after which it counts as lost. */
const LOST_AFTER = 2 / 3;
const RENEWALS = 6;
/** ms after which etcd is no longer waited for when a lease is ended. */
const REVOKE_LIMIT = 2000;

/**
 * Takes a lease of etcd and keeps it alive until it is closed or lost. Its time is counted from when the last
 * good keep-alive was sent, by a clock that nobody sets.
 * @throws PgarcError `etcd-unreachable`
 */
export async function holdLease(etcd: Etcd, ttlMs: number, signal: AbortSignal): Promise<Lease> {
  const sent = performance.now();
  const id = await etcd.grantLease(ttlMs, signal);
  return new KeptLease(etcd, id, ttlMs, sent);
}

class KeptLease implements Lease {
  readonly id: string;
  readonly #etcd: Etcd;
  readonly #ttl: number;
  readonly #lost = new AbortController();
  readonly #closed = new AbortController();
  readonly #guarded = new Set<string>();
  #goodUntil: number;
  #expiry: NodeJS.Timeout | undefined;
  #next: NodeJS.Timeout | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #problem = '';

  constructor(etcd: Etcd, id: string, ttl: number, sent: number) {
    this.id = id;
    this.#etcd = etcd;
    this.#ttl = ttl;
    this.#goodUntil = sent + ttl * LOST_AFTER;
    this.#watchExpiry();
    this.#plan();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  guard(key: string): void {
    this.#guarded.add(key);
  }

  async assertHeld(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, this.#lost.signal]);
    // Work of hours is not given up for etcd's silence as long as the lease is good.
    for (let isSure = false; !isSure; ) {
      this.#checkClock();
      until.throwIfAborted();
      isSure = await this.#renew(until).then(
        () => true,
        (error: unknown) => this.#waitAfter(error, until),
      );
    }
    this.#checkClock();
    until.throwIfAborted();
  }

  async #waitAfter(error: unknown, until: AbortSignal): Promise<false> {
    until.throwIfAborted();
    if (!isPgarcError(error, 'etcd-unreachable') || !error.retryable) throw error;
    this.#problem = error.message;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        until.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, this.#ttl / RENEWALS / 4);
      until.addEventListener('abort', end, { once: true });
    });
    return false;
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    clearTimeout(this.#expiry);
    clearTimeout(this.#next);
    await this.#renewal;
    await this.#etcd.revoke(this.id, AbortSignal.timeout(REVOKE_LIMIT)).catch(() => undefined);
  }

  #plan(): void {
    if (this.#closed.signal.aborted || this.#lost.signal.aborted) return;
    this.#next = setTimeout(() => {
      this.#renewal = this.#renewInTurn().finally(() => this.#plan());
    }, this.#ttl / RENEWALS);
  }

  async #renewInTurn(): Promise<void> {
    try {
      await this.#renew(AbortSignal.any([this.#closed.signal, this.#lost.signal]));
    } catch (error) {
      this.#problem = messageOf(error);
    }
  }

  /**
   * One keep-alive, and a look at the guarded keys. The look goes through etcd's quorum, the keep-alive does not:
   * a leader that does not know yet of its successor may answer it too, hence the comparison of terms. Such a
   * keep-alive does not count.
   */
  async #renew(signal: AbortSignal): Promise<void> {
    const options = { timeout: Math.max(500, this.#ttl / RENEWALS) };
    const sent = performance.now();
    const term = await this.#etcd.keepAlive(this.id, signal, options);
    if (term === undefined) return this.#lose('etcd has ended it');
    for (const key of this.#guarded) {
      const reading = await this.#etcd.read(key, signal, options);
      if (reading.found?.lease !== this.id) return this.#lose(`its key ${key} is gone or another's`);
      if (reading.term !== term) throw new PgarcError('etcd-unreachable', 'etcd changes its leader');
    }
    this.#goodUntil = Math.max(this.#goodUntil, sent + this.#ttl * LOST_AFTER);
    this.#watchExpiry();
  }

  #watchExpiry(): void {
    clearTimeout(this.#expiry);
    if (this.#closed.signal.aborted) return;
    this.#expiry = setTimeout(() => this.#checkClock(), Math.max(0, this.#goodUntil - performance.now()) + 1);
  }

  #checkClock(): void {
    if (this.#closed.signal.aborted || this.#lost.signal.aborted) return;
    // A timer counts from when the event loop last looked at the clock, so it may be early by what has run since.
    if (performance.now() < this.#goodUntil) {
      this.#watchExpiry();
      return;
    }
    const seconds = Math.round((this.#ttl * LOST_AFTER) / 1000);
    this.#lose(
      `etcd did not renew it for ${seconds} s${this.#problem === '' ? '' : `: ${this.#problem}`}`,
      true,
    );
  }

  #lose(why: string, isSilence = false): void {
    if (this.#closed.signal.aborted || this.#lost.signal.aborted) return;
    clearTimeout(this.#expiry);
    clearTimeout(this.#next);
    this.#lost.abort(
      new PgarcError(isSilence ? 'etcd-unreachable' : 'failed', `the lease in etcd is lost: ${why}`, {
        retryable: true,
        details: { reason: isSilence ? 'unreachable' : 'lease' },
      }),
    );
  }
}
