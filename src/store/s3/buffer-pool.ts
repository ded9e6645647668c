/** Buffers for parts, shared by all streams of a store, so that their sum is bounded. */
export interface BufferPool {
  /**
   * Waits for a buffer of `size` bytes; those who wait get theirs in turn. A size over the limit of the pool
   * is given when nothing else is out.
   * @throws the signal's reason
   */
  take(size: number, signal?: AbortSignal): Promise<Buffer>;
  give(buffer: Buffer): void;
}

interface Waiter {
  size: number;
  resolve(buffer: Buffer): void;
}

/**
 * Makes a pool that hands out at most `limit` bytes at a time and keeps buffers of `keptSize` for reuse: fresh
 * ones of this size cost a page fault every 4 KiB.
 */
export function makeBufferPool(limit: number, keptSize: number): BufferPool {
  const kept: Buffer[] = [];
  const waiting: Waiter[] = [];
  let out = 0;

  const fits = (size: number) => out === 0 || out + size <= limit;

  function hand(size: number): Buffer {
    out += size;
    return (size === keptSize ? kept.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  return {
    take(size, signal) {
      if (waiting.length === 0 && fits(size)) return Promise.resolve(hand(size));
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          size,
          resolve(buffer) {
            signal?.removeEventListener('abort', onAbort);
            resolve(buffer);
          },
        };
        const onAbort = () => {
          waiting.splice(waiting.indexOf(waiter), 1);
          reject(signal!.reason);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.push(waiter);
      });
    },
    give(buffer) {
      out -= buffer.length;
      if (buffer.length === keptSize) kept.push(buffer);
      while (waiting.length > 0 && fits(waiting[0]!.size)) {
        const waiter = waiting.shift()!;
        waiter.resolve(hand(waiter.size));
      }
    },
  };
}
