import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** ms, default 90 s: a loaded machine must not end a wait for what does happen. */
  timeout?: number;
  /** What is awaited, for the message of the error. */
  what?: string;
  /** ms between two looks, default 25. */
  interval?: number;
}

/**
 * Asks `condition` until it gives something truthy, and returns that. A throw counts as "not yet" and is the
 * cause of the error when time runs out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const { timeout = 90_000, what = 'a condition', interval = 25 } = options;
  const deadline = Date.now() + timeout;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, undefined | null | false | 0 | ''>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`waited ${timeout} ms in vain for ${what}`, { cause });
    await sleep(interval);
  }
}
