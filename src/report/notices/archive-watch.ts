import type { ErrorCode } from '../../errors.ts';
import type { PgarcEvent } from '../events.ts';
import { formatCount, formatDuration } from '../units.ts';
import type { News } from './notice.ts';

/** WAL that cannot be archived for so long is worth a notice, ms. */
const PATIENCE = 5 * 60_000;

export interface ArchiveWatchOptions {
  noteTrouble(news: News): void;
  noteWell(news: Pick<News, 'subject' | 'message'>): void;
  /** Monotonic, ms. */
  now?: () => number;
  patience?: number;
}

/** Failing files that are remembered; PostgreSQL wants the oldest first. */
const MOST_FILES = 1000;

/** Watches whether the WAL of this host gets into the archive, from what the daemon tells. */
export class ArchiveWatch {
  readonly #options: Required<ArchiveWatchOptions>;
  /** What fails, in the order in which it began to: files by name, and the store itself as `''`. */
  readonly #failing = new Map<string, { since: number; code: ErrorCode; reason: string }>();
  #waiting: number | undefined = 0;

  constructor(options: ArchiveWatchOptions) {
    this.#options = { now: () => performance.now(), patience: PATIENCE, ...options };
  }

  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void {
    switch (event.type) {
      case 'walBacklog':
        this.#waiting = event.files;
        if (event.files !== 0) return;
        this.#failing.clear();
        this.#noteWell('no WAL waits to be archived');
        return;
      case 'walPushed':
      case 'walAlreadyStored':
        this.#failing.delete('');
        this.#failing.delete(event.name);
        this.#noteWell('WAL is archived again');
        return;
      case 'daemonWaiting':
      case 'daemonReady':
        // What failed was another cluster's.
        this.#failing.clear();
        return;
      case 'storeUp':
        this.#failing.delete('');
        return;
      case 'walPushFailed':
        this.#noteFailure(event.name, event.code, `${event.name}: ${event.message}`);
        return;
      case 'storeDown':
        this.#noteFailure('', 'store-unreachable', event.reason);
    }
  }

  /** Tells what is due. Called every few seconds. */
  tick(): void {
    const { now, patience, noteTrouble } = this.#options;
    const [first] = this.#failing.values();
    if (first === undefined || this.#waiting === 0) return;
    const failing = now() - first.since;
    if (failing < patience) return;
    const waiting =
      this.#waiting === undefined
        ? ''
        : `, ${formatCount(this.#waiting, 'file')} ${this.#waiting === 1 ? 'waits' : 'wait'}`;
    noteTrouble({
      subject: 'archive',
      kind: 'archiveStuck',
      code: first.code,
      message: `WAL could not be archived for ${formatDuration(failing)}${waiting}: ${first.reason}`,
      hint: 'Run `pgarc check` on that host; PostgreSQL keeps WAL until it is archived, and pg_wal grows.',
    });
  }

  #noteFailure(name: string, code: ErrorCode, reason: string): void {
    const since = this.#failing.get(name)?.since;
    if (since === undefined && this.#failing.size >= MOST_FILES) return;
    this.#failing.set(name, { since: since ?? this.#options.now(), code, reason });
  }

  /** One file that gets through does not make up for another that never does. */
  #noteWell(message: string): void {
    if (this.#failing.size === 0) this.#options.noteWell({ subject: 'archive', message });
  }
}
