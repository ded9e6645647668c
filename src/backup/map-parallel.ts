/**
 * Runs `work` on every item, at most `limit` at a time, and returns the results in the items' order.
 * After the first failure no further item is begun; it is thrown once those under way have ended, so that
 * nothing works on behind the caller's back. `work` gets a signal that aborts on that failure.
 */
export async function mapParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const stop = new AbortController();
  const combined = AbortSignal.any([signal, stop.signal]);
  let failure: { error: unknown } | undefined;
  let next = 0;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        signal.throwIfAborted();
        results[index] = await work(items[index] as Item, combined);
      } catch (error) {
        failure ??= { error };
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, items.length)) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}

type Tasks = readonly ((signal: AbortSignal) => Promise<unknown>)[];
type Results<T extends Tasks> = { [K in keyof T]: Awaited<ReturnType<T[K]>> };

/** Runs all at the same time; the first failure stops the others and is thrown when they have ended. */
export async function inParallel<const T extends Tasks>(signal: AbortSignal, tasks: T): Promise<Results<T>> {
  return (await mapParallel(tasks, tasks.length, (task, each) => task(each), signal)) as Results<T>;
}
