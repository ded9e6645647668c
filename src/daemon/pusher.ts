import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PgarcEvent } from '../report/events.ts';
import { codeOf } from '../system/file-error.ts';
import type { Cluster } from './cluster.ts';
import { isSameFile } from './cluster.ts';
import { copyModified, markerPath } from './marker.ts';
import { toFailure } from './protocol.ts';
import { makeFolder } from './spool.ts';

export interface PusherDeps {
  cluster: Pick<Cluster, 'wal'>;
  /** Where markers go. */
  out: string;
  /** Uploads at the same time. One more starts when somebody asks for it and waits. */
  concurrency: number;
  /** Stores one file, as wal-push would. */
  push(path: string): Promise<void>;
  emit(event: PgarcEvent): void;
  /** How the making of a marker went. The way without one works, only slower. */
  onMark?(outcome: MarkOutcome): void;
}

/** `inexact`: the file system cannot keep the time. Anything else is the system's error. */
export type MarkOutcome = 'made' | 'inexact' | { error: unknown };

/** One upload. */
interface Upload {
  ended: Promise<void>;
  /** The file, just before it was read; undefined until then. */
  seen: BigIntStats | undefined;
}

/** Files of which it is known that they are stored; more than there are markers. */
const MOST_REMEMBERED = 2000;

/** Stores WAL files, each by one upload at a time, however many ask for it. */
export class Pusher {
  readonly #deps: PusherDeps;
  readonly #running = new Map<string, Upload>();
  /** Stored last, as they were then. */
  readonly #stored = new Map<string, BigIntStats>();
  /** Asked for while all slots were taken, in the order they came. */
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(deps: PusherDeps) {
    this.#deps = deps;
  }

  /** Uploads under way or waiting for their turn. */
  get running(): number {
    return this.#running.size;
  }

  /** Whether another may begin that nobody waits for. */
  get hasRoom(): boolean {
    return this.#active < this.#deps.concurrency;
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /**
   * Stores one file of pg_wal and leaves a marker for the launcher. Joins the upload of it that is under way, or
   * has ended since the caller looked for the marker, unless the file is another one by now: then what was stored
   * is not what the caller means.
   * @param ahead nobody has asked for it yet
   * @throws what wal-push throws
   */
  async push(name: string, ahead: boolean): Promise<void> {
    for (;;) {
      const running = this.#running.get(name);
      if (running === undefined) {
        const stored = this.#stored.get(name);
        const found = stored && (await statOrUndefined(join(this.#deps.cluster.wal, name)));
        if (stored && found && isUnchanged(stored, found)) return;
        if (this.#running.has(name)) continue;
        return this.#start(name, ahead).ended;
      }
      if (running.seen === undefined) return running.ended;
      const now = await statOrUndefined(join(this.#deps.cluster.wal, name));
      if (now !== undefined && isUnchanged(running.seen, now)) return running.ended;
      await running.ended.catch(() => undefined);
    }
  }

  /** Waits until nothing is under way. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.allSettled(Array.from(this.#running.values(), ({ ended }) => ended));
    }
  }

  #start(name: string, ahead: boolean): Upload {
    const upload: Upload = { ended: Promise.resolve(), seen: undefined };
    upload.ended = this.#run(upload, name, ahead).finally(() => this.#running.delete(name));
    this.#running.set(name, upload);
    return upload;
  }

  async #run(upload: Upload, name: string, ahead: boolean): Promise<void> {
    const { cluster, push, emit } = this.#deps;
    await this.#takeSlot();
    try {
      const path = join(cluster.wal, name);
      upload.seen = await statOrUndefined(path);
      await push(path);
      if (upload.seen !== undefined) await this.#mark(name, path, upload.seen);
    } catch (error) {
      const { code, message } = toFailure(error);
      if (code !== 'interrupted') emit({ type: 'walPushFailed', name, ahead, code, message });
      throw error;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    }
  }

  /** Only for a file that is still the one that was there before its upload began. */
  async #mark(name: string, path: string, before: BigIntStats): Promise<void> {
    const { out, onMark } = this.#deps;
    const after = await statOrUndefined(path);
    if (after === undefined || !isUnchanged(before, after)) return;
    this.#remember(name, before);
    // No marker is never an error: the file is stored, and whoever asks is told so.
    const marker = markerPath(out, name);
    const outcome = await copyModified(before, marker)
      .catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        // Somebody has cleaned the folder away.
        await makeFolder(out);
        return copyModified(before, marker);
      })
      .then(
        (isExact): MarkOutcome => (isExact ? 'made' : 'inexact'),
        (error: unknown): MarkOutcome => ({ error }),
      );
    onMark?.(outcome);
  }

  #remember(name: string, stats: BigIntStats): void {
    this.#stored.delete(name);
    this.#stored.set(name, stats);
    if (this.#stored.size <= MOST_REMEMBERED) return;
    for (const oldest of this.#stored.keys()) {
      this.#stored.delete(oldest);
      return;
    }
  }

  async #takeSlot(): Promise<void> {
    if (this.#active <= this.#deps.concurrency) this.#active += 1;
    // Whoever ends hands his slot over.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

function statOrUndefined(path: string): Promise<BigIntStats | undefined> {
  return stat(path, { bigint: true }).catch(() => undefined);
}

/** The same file, not written to in between: each write changes one of these, whatever the clock says. */
function isUnchanged(before: BigIntStats, after: BigIntStats): boolean {
  return (
    isSameFile(before, after) &&
    after.size === before.size &&
    after.mtimeNs === before.mtimeNs &&
    after.ctimeNs === before.ctimeNs
  );
}
