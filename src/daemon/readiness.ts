import type { PgarcEvent } from '../report/events.ts';
import { formatDuration } from '../report/units.ts';

/** One condition of readiness. */
export interface Check {
  name: string;
  ok: boolean;
  /** In words, for people. */
  state: string;
}

/** Nobody has asked the store for so long, and it may well be back, ms. */
const STALE = 120_000;

/** Knows whether the daemon can do its work, from what it tells. */
export class Readiness {
  readonly #now: () => number;
  #pgdata: string | undefined;
  #isStopping = false;
  #downSince: number | undefined;
  #failedAt = 0;
  #reason = '';

  /** @param now monotonic, ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param pgdata undefined when there is no cluster */
  noteCluster(pgdata: string | undefined): void {
    this.#pgdata = pgdata;
  }

  noteStop(): void {
    this.#isStopping = true;
  }

  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void {
    switch (event.type) {
      case 'storeRetry':
        this.#noteFailure(event.reason);
        return;
      case 'walPushFailed':
      case 'walFetchFailed':
        if (event.code === 'store-unreachable') this.#noteFailure(event.message);
        return;
      case 'walPushed':
      case 'walAlreadyStored':
      case 'walFetched':
      case 'walPrefetched':
        this.#downSince = undefined;
    }
  }

  checks(): Check[] {
    const stale = this.#now() - this.#failedAt > STALE;
    const downFor = this.#downSince === undefined || stale ? undefined : this.#now() - this.#downSince;
    return [
      this.#isStopping
        ? { name: 'daemon', ok: false, state: 'stopping' }
        : { name: 'daemon', ok: true, state: 'running' },
      this.#pgdata === undefined
        ? { name: 'cluster', ok: false, state: 'not there' }
        : { name: 'cluster', ok: true, state: this.#pgdata },
      downFor === undefined
        ? { name: 'store', ok: true, state: 'no failure since its last answer' }
        : { name: 'store', ok: false, state: `failing for ${formatDuration(downFor)}: ${this.#reason}` },
    ];
  }

  #noteFailure(reason: string): void {
    this.#failedAt = this.#now();
    this.#downSince ??= this.#failedAt;
    this.#reason = reason;
  }
}

/** `[+] name: state` a line for what is well, `[-]` for what is not. */
export function renderChecks(checks: readonly Check[]): string {
  return checks.map(({ name, ok, state }) => `[${ok ? '+' : '-'}] ${name}: ${state}\n`).join('');
}
