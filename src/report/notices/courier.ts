import { isPgarcError, messageOf } from '../../errors.ts';
import { pause } from '../../store/retry.ts';
import type { Emit } from '../events.ts';
import { type NoticeRequest, sendRequest } from './request.ts';

export interface CourierOptions {
  /** Who is told, for warnings: `the webhook`. */
  name: string;
  emit: Emit;
  /** ms for one attempt; default 10 s. */
  deadline?: number;
  /** ms before each further attempt; default 1, 5 and 15 s. */
  pauses?: readonly number[];
}

/** Requests that wait for their turn at most; more mean that nobody has answered for hours. */
const LONGEST_QUEUE = 100;

/**
 * Brings requests to one address, one after the other in the order they were given, each tried a few times.
 * Nobody waits for it. What cannot be brought is one warning until the next that can.
 */
export class Courier {
  readonly #options: Required<CourierOptions>;
  readonly #end = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #hasWarned = false;

  constructor(options: CourierOptions) {
    this.#options = { deadline: 10_000, pauses: [1000, 5000, 15_000], ...options };
  }

  /**
   * @param make called when its turn comes; undefined when there is nothing to tell by then
   * @param onEnd told whether it arrived
   */
  bring(make: () => NoticeRequest | undefined, onEnd: (arrived: boolean) => void = () => undefined): void {
    if (this.#end.signal.aborted || this.#waiting >= LONGEST_QUEUE) {
      onEnd(false);
      return;
    }
    this.#waiting += 1;
    this.#last = this.#last.then(async () => {
      const arrived = await this.#tryAll(make);
      this.#waiting -= 1;
      onEnd(arrived);
    });
  }

  /** Resolves when nothing waits, or after `limit` ms. */
  async settle(limit: number): Promise<void> {
    // What is brought while the last is awaited counts too.
    const all = async () => {
      while (this.#waiting > 0) await this.#last;
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limit);
    await Promise.race([all(), promise]);
    clearTimeout(timer);
  }

  /** Gives up what waits and what is under way. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#last;
  }

  async #tryAll(make: () => NoticeRequest | undefined): Promise<boolean> {
    const { name, emit, deadline, pauses } = this.#options;
    const { signal } = this.#end;
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) return false;
      try {
        const request = make();
        if (request === undefined) return false;
        await sendRequest(request, deadline, signal);
        this.#hasWarned = false;
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        const wait = pauses[attempt];
        if (wait !== undefined && isPgarcError(error) && error.retryable) {
          await pause(wait, signal).catch(() => undefined);
          continue;
        }
        if (!this.#hasWarned) emit({ type: 'warning', message: `${name} was not told: ${messageOf(error)}` });
        this.#hasWarned = true;
        return false;
      }
    }
  }
}
