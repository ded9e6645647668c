import { setTimeout as sleep } from 'node:timers/promises';
import type { PgarcEvent } from '../report/events.ts';
import { isWorthRetrying } from '../store/retry.ts';
import { nameOfReady, ReadyQueue } from './ready-queue.ts';

export interface LookAheadDeps {
  /** Entries of archive_status. */
  list(): Promise<readonly string[]>;
  /** Whether PostgreSQL still waits for this file. */
  isReady(name: string): Promise<boolean>;
  /** Stores one file and leaves a marker. */
  push(name: string): Promise<void>;
  isRunning(name: string): boolean;
  hasRoom(): boolean;
  removeMarker(name: string): Promise<void>;
  /** Calls back when something in archive_status changes, with the entry's name if it is known. */
  watch(onChange: (entry: string | undefined) => void): () => void;
  emit(event: PgarcEvent): void;
  /** Monotonic, ms. */
  now?: () => number;
  /** ms between looks when nothing is heard. */
  pollInterval?: number;
}

/** Stored files PostgreSQL has not asked for; beyond, it is PostgreSQL that is behind. */
export const MAX_MARKERS = 1000;
/** A look may take a twentieth of the time; that is the share, and the shortest wait, ms. */
const LOOK_SHARE = 20;
const SHORTEST_WAIT = 20;
/** While files are left in the queue, another look is only for history files and markers, ms. */
const LOOK_WHILE_BUSY = 10_000;
const POLL_INTERVAL = 5_000;
/** Pause after failures in a row, ms: doubles up to the limit. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
/** A file that will not do is left alone for so long, ms. PostgreSQL asks for it all the same. */
const FILE_PAUSE = 60_000;

/**
 * Stores what waits in archive_status before PostgreSQL asks for it, once it has asked for anything at all: a copy of
 * a cluster that shall not archive, or archives elsewhere, has the same names and must not take them. Only reads there:
 * renaming .ready to .done is PostgreSQL's own. While pushes fail it tries one at a time, the oldest, with pauses.
 */
export class LookAhead {
  readonly #deps: LookAheadDeps;
  readonly #now: () => number;
  readonly #queue = new ReadyQueue();
  /** With a marker, and PostgreSQL has not asked. */
  readonly #stored = new Set<string>();
  readonly #retryAt = new Map<string, number>();
  readonly #stopping = new AbortController();
  #isAsked = false;
  #isChanged = true;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #lookCost = 0;
  #failures = 0;
  #pausedUntil = 0;
  #probes = 0;
  #wake: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(deps: LookAheadDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
  }

  start(): void {
    const unwatch = this.#deps.watch((entry) => this.#onChange(entry));
    this.#ended = this.#run().finally(unwatch);
  }

  /** Begins nothing more. Pushes under way go on; they are the pusher's. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#ended;
  }

  /** Somebody asks for a file of this cluster: pgarc is what PostgreSQL archives with. */
  noteAsked(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    // What the last look saw may be archived by now.
    this.#queue.fill([]);
    this.#isChanged = true;
    this.#wake();
  }

  /**
   * A push for somebody who asked has ended. Its marker must go when PostgreSQL has done with the file.
   * @param name of a file that was stored
   */
  notePushed(name: string | undefined): void {
    if (name !== undefined) {
      this.#stored.add(name);
      this.#isChanged = true;
    }
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#now() >= this.#nextLook()) await this.#look();
      this.#begin();
      if (signal.aborted) break;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const timer = new AbortController();
      const wait = Math.max(1, this.#nextWake() - this.#now());
      await Promise.race([
        woken,
        sleep(wait, undefined, { signal: timer.signal, ref: false }).catch(() => undefined),
      ]);
      timer.abort();
    }
  }

  /** When archive_status is due for a look. */
  #nextLook(): number {
    const earliest = this.#lookedAt + Math.max(SHORTEST_WAIT, LOOK_SHARE * this.#lookCost);
    const isLow = this.#queue.left === 0 && this.#stored.size < MAX_MARKERS;
    if (this.#isChanged && (isLow || !this.#isAsked)) return earliest;
    const interval = this.#isChanged ? LOOK_WHILE_BUSY : (this.#deps.pollInterval ?? POLL_INTERVAL);
    return Math.max(earliest, this.#lookedAt + interval);
  }

  #nextWake(): number {
    const isHeld = this.#failures > 0 && this.#queue.left > 0 && this.#probes === 0;
    return Math.min(this.#nextLook(), isHeld ? this.#pausedUntil : Number.POSITIVE_INFINITY);
  }

  async #look(): Promise<void> {
    const { list, emit } = this.#deps;
    const begin = this.#now();
    this.#isChanged = false;
    this.#lookedAt = begin;
    const entries = await list().catch(() => undefined);
    this.#lookCost = this.#now() - begin;
    this.#queue.fill(entries ?? []);
    if (entries === undefined) {
      // Gone with its cluster, which the daemon notices, or not to be read for now: nothing is known of what waits.
      emit({ type: 'walBacklog', files: undefined });
      return;
    }
    for (const name of this.#retryAt.keys()) if (!this.#queue.has(name)) this.#retryAt.delete(name);
    for (const name of this.#stored) if (!this.#queue.has(name)) await this.#removeMarker(name);
    emit({ type: 'walBacklog', files: this.#queue.size });
  }

  #begin(): void {
    if (!this.#isAsked) return;
    const { hasRoom } = this.#deps;
    while (hasRoom() && this.#stored.size < MAX_MARKERS && !this.#stopping.signal.aborted) {
      // After a failure one at a time, until one gets through.
      if (this.#failures > 0 && (this.#probes > 0 || this.#now() < this.#pausedUntil)) return;
      const name = this.#queue.next((one) => this.#isWanted(one));
      if (name === undefined) return;
      this.#probes += 1;
      void this.#push(name).finally(() => {
        this.#probes -= 1;
        this.#wake();
      });
    }
  }

  #isWanted(name: string): boolean {
    if (this.#stored.has(name) || this.#deps.isRunning(name)) return false;
    return (this.#retryAt.get(name) ?? 0) <= this.#now();
  }

  async #push(name: string): Promise<void> {
    try {
      await this.#deps.push(name);
      this.#stored.add(name);
      this.#failures = 0;
    } catch (error) {
      if (!isWorthRetrying(error)) this.#retryAt.set(name, this.#now() + FILE_PAUSE);
      // Those that fail together count once.
      if (this.#now() >= this.#pausedUntil) this.#failures += 1;
      this.#pausedUntil = this.#now() + Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1));
      this.#queue.rewind();
    }
  }

  #onChange(entry: string | undefined): void {
    const name = entry === undefined ? undefined : nameOfReady(entry);
    if (name !== undefined && this.#stored.has(name)) void this.#drop(name);
    else if (name === undefined && entry !== undefined) return;
    this.#isChanged = true;
    this.#wake();
  }

  /** Takes a marker away as soon as PostgreSQL has done with the file. */
  async #drop(name: string): Promise<void> {
    if (await this.#deps.isReady(name)) return;
    await this.#removeMarker(name);
    this.#wake();
  }

  /** One that cannot be removed is kept in mind, and tried again with the next look. */
  async #removeMarker(name: string): Promise<void> {
    try {
      await this.#deps.removeMarker(name);
      this.#stored.delete(name);
    } catch {
      // It tells the truth about the file it was made for, and is believed for no other.
    }
  }
}
