import type { ErrorCode } from '../errors.ts';
import type { PgarcEvent } from '../report/events.ts';

export interface PressureOptions {
  emit(event: PgarcEvent): void;
  /** ms. */
  now?: () => number;
}

/** What only happens when the store has answered. */
const ANSWERS: readonly PgarcEvent['type'][] = ['walPushed', 'walAlreadyStored', 'walFetched'];
/** Failures of pushes that are about what the store holds. Others come before it is asked, such as a bad file's. */
const ANSWERED: readonly ErrorCode[] = ['wal-conflict', 'object-damaged'];
/** Between two lines about a store that is down, ms. */
const INTERVAL = 60_000;
/** Nothing has failed for so long: nobody has asked the store since, and it may well be back, ms. */
const STALE = 120_000;
/** A store that is back before was never worth a line, ms. */
const GRACE = 10_000;

/**
 * Tells of a store that does not answer: after ten seconds, once a minute, and once when it is back,
 * instead of with every attempt.
 */
export class PressureGauge {
  readonly #emit: PressureOptions['emit'];
  readonly #now: () => number;
  #downSince: number | undefined;
  #failedAt = 0;
  #toldAt: number | undefined;
  #reason = '';
  #waiting: number | undefined;

  constructor(options: PressureOptions) {
    this.#emit = options.emit;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void {
    if (event.type === 'walBacklog') this.#waiting = event.files;
    else if (event.type === 'storeRetry') this.#noteFailure(event.reason);
    else if (event.type === 'walPushFailed') {
      if (event.code === 'store-unreachable') this.#noteFailure(event.message);
      else if (ANSWERED.includes(event.code)) this.#noteAnswer();
    } else if (ANSWERS.includes(event.type)) this.#noteAnswer();
  }

  /** Tells what is due. Called every few seconds. */
  tick(): void {
    if (this.#downSince === undefined) return;
    const now = this.#now();
    if (now - this.#failedAt > STALE) {
      this.#forget();
      return;
    }
    const due = this.#toldAt === undefined ? this.#downSince + GRACE : this.#toldAt + INTERVAL;
    if (now < due) return;
    this.#toldAt = now;
    const downMs = now - this.#downSince;
    this.#emit({ type: 'storeDown', downMs, reason: this.#reason, waiting: this.#waiting });
  }

  #noteFailure(reason: string): void {
    this.#failedAt = this.#now();
    this.#downSince ??= this.#failedAt;
    this.#reason = reason;
  }

  #noteAnswer(): void {
    if (this.#downSince !== undefined && this.#toldAt !== undefined) {
      this.#emit({ type: 'storeUp', downMs: this.#now() - this.#downSince, waiting: this.#waiting });
    }
    this.#forget();
  }

  #forget(): void {
    this.#downSince = undefined;
    this.#toldAt = undefined;
  }
}
