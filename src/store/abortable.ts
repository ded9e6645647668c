/**
 * Passes chunks on until the signal aborts: then throws its reason at once, even while the source keeps
 * silent. The source's `return` is called then, and not waited for.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  signal?.throwIfAborted();
  if (signal === undefined) return yield* source;
  const iterator = source[Symbol.asyncIterator]();
  // One listener and one settled promise per chunk: racing each chunk against one long-lived promise would
  // collect a reaction on it for every chunk.
  let interrupt: ((reason: unknown) => void) | undefined;
  const onAbort = () => interrupt?.(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let isDone = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject;
        iterator.next().then(resolve, (error) => {
          isDone = true;
          reject(error);
        });
      });
      interrupt = undefined;
      if (next.done) {
        isDone = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!isDone) {
      const returned = iterator.return?.()?.catch(() => undefined);
      // A source that waits for ever never gets to its return.
      if (!signal.aborted) await returned;
    }
  }
}

/** Waits for what cannot be ended. When the signal aborts, throws its reason at once; what comes of it is lost then. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  });
}

/** A signal that aborts `ms` after another one did. `stop` when it is no longer needed. */
export function abortLater(signal: AbortSignal, ms: number): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => controller.abort(signal.reason), ms);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    stop() {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
