import type { PgarcEvent } from '../report/events.ts';

export interface ScanTimerOptions {
  /** ms between two scans at least. */
  interval: number;
  /** Several nodes see the archive, and one of them leads. */
  hasElection: boolean;
  /** How old the last scan is, ms; undefined when there is none. */
  age: number | undefined;
  /** Monotonic, ms. */
  now?: () => number;
}

/** Scans may take so large a part of the time at most. */
const SHARE = 1 / 20;
/** A store that is down is told of once a minute; nothing more may be said when nobody asks it any more, ms. */
const DOWN = 120_000;

/** Says when the archive is looked through: now and then, by the node that leads, while the store answers. */
export class ScanTimer {
  readonly #interval: number;
  readonly #hasElection: boolean;
  readonly #now: () => number;
  #leads: boolean;
  #dueAt: number;
  /** Before this no scan begins, whatever changes. */
  #restsUntil = 0;
  #downUntil = 0;

  constructor({ interval, hasElection, age, now = () => performance.now() }: ScanTimerOptions) {
    this.#interval = interval;
    this.#hasElection = hasElection;
    this.#now = now;
    this.#leads = !hasElection;
    this.#dueAt = now() + (age === undefined ? 0 : Math.max(0, interval - Math.max(0, age)));
  }

  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void {
    if (event.type === 'leadershipChanged' && this.#hasElection) this.#leads = event.isLeader;
    else if (event.type === 'storeDown') this.#downUntil = this.#now() + DOWN;
    else if (event.type === 'storeUp') this.#downUntil = 0;
    else if (changesArchive(event))
      this.#dueAt = Math.min(this.#dueAt, Math.max(this.#now(), this.#restsUntil));
  }

  get isDue(): boolean {
    return this.#leads && this.#now() >= Math.max(this.#dueAt, this.#downUntil);
  }

  /** A scan has ended, well or not. @param cost ms it took */
  noteEnd(cost: number): void {
    this.#restsUntil = this.#now() + cost / SHARE;
    this.#dueAt = Math.max(this.#now() + this.#interval, this.#restsUntil);
  }
}

/** A new backup, or less of the archive. */
function changesArchive(event: PgarcEvent): boolean {
  return (event.type === 'jobFinished' || event.type === 'jobFailed') && event.job !== 'verify';
}
