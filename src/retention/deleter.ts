import { setTimeout as sleep } from 'node:timers/promises';
import { isPgarcError, messageOf } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';

/** Objects of one request, S3's limit. */
const BATCH = 1000;

/** From so many refused objects in a row on, the store will not let any go. */
const GIVEN_UP = 20;

/** Objects the store would not let go. */
export interface Refused {
  objects: number;
  /** The store's words, once each. */
  reasons: readonly string[];
}

/**
 * Deletes objects in batches, no faster than a rate, so that archiving does not suffer. Objects the store
 * refuses to delete are counted and left; when a batch is refused whole, the rest is not tried.
 */
export class Deleter {
  deleted = 0;
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal;
  /** Objects a second. */
  readonly #rate: number;
  readonly #reasons = new Set<string>();
  #refused = 0;
  #next = 0;
  #isGivenUp = false;
  #waiting: string[] = [];

  constructor(store: ObjectStore, rate: number, signal: AbortSignal) {
    this.#store = store;
    this.#rate = rate;
    this.#signal = signal;
  }

  get refused(): Refused {
    return { objects: this.#refused, reasons: [...this.#reasons] };
  }

  /** True when the store refused a whole batch. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** Adds an object; a full batch is deleted. */
  async add(key: string): Promise<void> {
    this.#waiting.push(key);
    if (this.#waiting.length >= BATCH) await this.flush();
  }

  /** Deletes what was added. @throws PgarcError `store-unreachable` unless the store refused single objects */
  async flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0 || this.#isGivenUp) return;
    await this.#pace(batch.length);
    let refused = 0;
    try {
      await this.#store.delete(batch, { signal: this.#signal });
    } catch (error) {
      this.#signal.throwIfAborted();
      refused = countRefused(error, batch.length);
      if (refused === 0) throw error;
      this.#reasons.add(messageOf(error));
    }
    this.#refused += refused;
    this.deleted += batch.length - refused;
    this.#isGivenUp = refused === batch.length && refused >= GIVEN_UP;
  }

  async #pace(objects: number): Promise<void> {
    const now = performance.now();
    const wait = this.#next - now;
    this.#next = Math.max(now, this.#next) + (objects / this.#rate) * 1000;
    if (wait <= 0) return;
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => undefined);
    this.#signal.throwIfAborted();
  }
}

/** How many objects of a batch the store would not delete, though it answered as it should; 0: it did not. */
function countRefused(error: unknown, batch: number): number {
  if (!isPgarcError(error, 'store-unreachable') || error.retryable) return 0;
  const { refused, code } = error.details ?? {};
  if (typeof refused === 'number') return Math.min(refused, batch);
  return batch === 1 && code === 'AccessDenied' ? 1 : 0;
}
