import { readdirSync, renameSync, rmSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPgarcError, PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { codeOf } from '../system/file-error.ts';
import type { PrefetchWindow } from './prefetch-window.ts';

export interface PrefetcherDeps {
  /** Where files are put for the launcher, each under its own name once it is whole and checked. */
  folder: string;
  window: PrefetchWindow;
  /** Downloads at the same time that nobody waits for. */
  concurrency: number;
  /** Fetches a file that somebody waits for to a path, with all patience. @returns bytes */
  fetch(name: string, path: string, signal: AbortSignal): Promise<number>;
  /** The same for a file nobody has asked for: quick to give up. */
  fetchAhead(name: string, path: string, signal: AbortSignal): Promise<number>;
  emit: Emit;
  /** Monotonic, ms. */
  now?: () => number;
}

export interface Claim {
  /** The file becomes the caller's under this path in the folder. */
  path: string;
  /** Replay goes on from here; a tool that looks at single segments says nothing about what comes next. */
  isReplay: boolean;
}

interface Download {
  ahead: boolean;
  /** Paths of those who wait for it. */
  claims: string[];
  abort: AbortController;
  done: Promise<void>;
}

/** What nobody has taken for so long goes, ms: replay has stopped, or streams from a primary. */
const IDLE = 10 * 60_000;

/**
 * Keeps the segments replay will want next in a folder. The launcher takes one by moving it away, which is seen
 * here (`look`); everybody else asks (`provide`). Only what was fetched whole and checked ever has a segment's
 * own name. That a segment is not in the archive is never remembered: who asks for it gets the store's answer.
 */
export class Prefetcher {
  readonly #deps: PrefetcherDeps;
  readonly #now: () => number;
  readonly #downloads = new Map<string, Download>();
  /** Under its own name in the folder, fetched ahead. */
  readonly #ready = new Set<string>();
  /** Handed over, by path: when. */
  readonly #claimed = new Map<string, number>();
  #movedAt: number;
  #isStopped = false;

  constructor(deps: PrefetcherDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
    this.#movedAt = this.#now();
  }

  /** Files at hand and under way that nobody has asked for. */
  get ahead(): readonly string[] {
    const running = [...this.#downloads].filter(([, { ahead }]) => ahead).map(([name]) => name);
    return [...this.#ready, ...running].sort();
  }

  /**
   * Puts a file at the claim's path: one that is at hand, or whose download is under way, or fetched now.
   * @throws PgarcError what wal-fetch throws; `wal-not-found` only from a request made after this call
   */
  async provide(name: string, claim: Claim): Promise<void> {
    let ahead = true;
    // Of a client that has been told to ask again.
    let isRepeated = false;
    for (let isSecond = false; !(await this.#claimReady(name, claim.path)); ) {
      if (this.#isStopped) throw new PgarcError('interrupted', 'the daemon stops');
      const running = this.#downloads.get(name);
      if (running === undefined) {
        ahead = false;
        await this.#start(name, false, [claim.path]).done;
        break;
      }
      isRepeated = running.claims.includes(claim.path);
      if (!isRepeated) running.claims.push(claim.path);
      try {
        await running.done;
        ahead = running.ahead;
        break;
      } catch (error) {
        // What happened to a request that nobody waited for is no answer, and neither is an old miss.
        const isAnswer = !running.ahead && (isSecond || !isPgarcError(error, 'wal-not-found'));
        if (isAnswer) throw error;
        isSecond ||= !running.ahead;
      }
    }
    this.#claimed.set(claim.path, this.#now());
    if (isRepeated) return;
    this.#deps.emit({ type: 'walTaken', name, ahead });
    if (claim.isReplay) this.#advance(name);
  }

  /** Looks what was taken; to be called when something in the folder changes, and now and then. */
  look(): void {
    const present = this.#list();
    if (present !== undefined) {
      for (const name of [...this.#ready].sort()) {
        if (present.has(name) || !this.#ready.delete(name)) continue;
        this.#deps.emit({ type: 'walTaken', name, ahead: true });
        this.#advance(name);
      }
    }
    const longAgo = this.#now() - IDLE;
    for (const [path, at] of this.#claimed) {
      if (at > longAgo) continue;
      this.#claimed.delete(path);
      this.#remove(path);
    }
    if (this.#movedAt <= longAgo && this.ahead.length > 0) {
      this.#deps.window.forget();
      this.#drop();
    }
  }

  /**
   * Gives up what was fetched ahead: gone when this returns, for the launcher too. What cannot be removed cannot be
   * moved away either, and is tried again.
   */
  forget(): void {
    for (const name of this.#ready) {
      try {
        rmSync(join(this.#deps.folder, name), { force: true });
        this.#ready.delete(name);
      } catch {
        // The folder is read-only by now.
      }
    }
    this.#deps.window.forget();
    this.#drop();
  }

  /** Begins nothing more and gives up what nobody waits for; resolves when the rest has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#deps.window.forget();
    this.#drop();
    while (this.#downloads.size > 0) {
      await Promise.allSettled([...this.#downloads.values()].map(({ done }) => done));
    }
  }

  /** Gives up everything, also what somebody waits for. */
  abort(reason: PgarcError): void {
    this.#isStopped = true;
    for (const { abort } of this.#downloads.values()) abort.abort(reason);
  }

  async #claimReady(name: string, path: string): Promise<boolean> {
    if (!this.#ready.delete(name)) return false;
    try {
      await rename(join(this.#deps.folder, name), path);
      return true;
    } catch {
      // The launcher of another request was quicker.
      this.#deps.emit({ type: 'walTaken', name, ahead: true });
      return false;
    }
  }

  #advance(name: string): void {
    this.#movedAt = this.#now();
    this.#deps.window.advance(name);
    this.#drop();
    this.#fill();
  }

  /** What is in the folder; undefined when that cannot be seen now. Makes one that was cleaned away anew. */
  #list(): ReadonlySet<string> | undefined {
    const { folder } = this.#deps;
    try {
      return new Set(readdirSync(folder));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return undefined;
      // Nobody has taken these.
      this.#ready.clear();
      mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined);
      return undefined;
    }
  }

  /** Nobody is told of a file that cannot be removed: it is right, only in the way. */
  #remove(path: string): void {
    rm(path, { force: true }).catch(() => undefined);
  }

  /** Removes what replay will not want any more. */
  #drop(): void {
    const { window, folder } = this.#deps;
    for (const name of this.#ready) {
      if (window.keeps(name)) continue;
      this.#ready.delete(name);
      this.#remove(join(folder, name));
    }
    for (const [name, { ahead, claims, abort }] of this.#downloads) {
      if (!ahead || claims.length > 0 || window.keeps(name)) continue;
      abort.abort(elsewhere());
    }
  }

  #fill(): void {
    if (this.#isStopped) return;
    let free = this.#deps.concurrency;
    for (const { ahead } of this.#downloads.values()) if (ahead) free -= 1;
    for (const name of this.#deps.window.wanted()) {
      if (free <= 0) return;
      if (this.#ready.has(name) || this.#downloads.has(name)) continue;
      free -= 1;
      const { done, abort } = this.#start(name, true, []);
      done
        .then(
          () => this.#deps.window.found(),
          () => {
            if (!abort.signal.aborted) this.#deps.window.missed(name);
          },
        )
        .then(() => this.#fill());
    }
  }

  #start(name: string, ahead: boolean, claims: string[]): Download {
    const abort = new AbortController();
    const download: Download = { ahead, claims, abort, done: Promise.resolve() };
    this.#downloads.set(name, download);
    download.done = this.#run(name, download);
    return download;
  }

  /** Fetches under another name, then hands the file to those who wait, or makes it ready for the launcher. */
  async #run(name: string, { ahead, claims, abort }: Download): Promise<void> {
    const { folder, emit } = this.#deps;
    const begin = this.#now();
    const path = join(folder, `${name}.new`);
    try {
      const bytes = await (ahead ? this.#deps.fetchAhead : this.#deps.fetch)(name, path, abort.signal);
      emit({ type: ahead ? 'walPrefetched' : 'walFetched', name, bytes, durationMs: this.#now() - begin });
      while (claims.length > 1) await copyFile(path, claims.pop()!);
      const [claim] = claims;
      if (claim === undefined && !this.#deps.window.keeps(name)) {
        abort.abort(elsewhere());
        throw elsewhere();
      }
      // At once, so that nobody asks in between.
      renameSync(path, claim ?? join(folder, name));
      if (claim === undefined) this.#ready.add(name);
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      this.#downloads.delete(name);
    }
  }
}

function elsewhere(): PgarcError {
  return new PgarcError('interrupted', 'replay goes elsewhere');
}
