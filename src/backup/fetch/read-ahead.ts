/**
 * Reads a source ahead of its consumer, so that both work at the same time. Only for sources that hand out
 * chunks for keeps, or whose chunks stay as they are until the next but one is asked for and `maxChunks` is 1.
 * @param maxBytes read ahead at most, give or take a chunk
 */
export async function* readAhead(
  source: AsyncIterable<Buffer>,
  maxBytes: number,
  maxChunks = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const ready: Buffer[] = [];
  let readyBytes = 0;
  let isEnded = false;
  let failure: { error: unknown } | undefined;
  let wakeReader: (() => void) | undefined;
  let wakeConsumer: (() => void) | undefined;

  async function read(): Promise<void> {
    try {
      while (!isEnded) {
        const next = await iterator.next();
        if (next.done === true) break;
        ready.push(next.value);
        readyBytes += next.value.length;
        wakeConsumer?.();
        while (!isEnded && (readyBytes >= maxBytes || ready.length >= maxChunks)) {
          await new Promise<void>((resolve) => {
            wakeReader = resolve;
          });
        }
      }
    } catch (error) {
      failure = { error };
    }
    isEnded = true;
    wakeConsumer?.();
  }

  const reading = read();
  try {
    for (;;) {
      const chunk = ready.shift();
      if (chunk !== undefined) {
        readyBytes -= chunk.length;
        wakeReader?.();
        yield chunk;
      } else if (isEnded) {
        if (failure !== undefined) throw failure.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wakeConsumer = resolve;
        });
      }
    }
  } finally {
    isEnded = true;
    wakeReader?.();
    // A source that waits for the network is only let go by the signal it was opened with.
    await Promise.race([reading, iterator.return?.()]);
  }
}
