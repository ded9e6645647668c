/** Buffers for parts, shared by all streams of a store, so that their sum is bounded. */
export interface BufferPool {
  /**
   * Waits for a buffer for the first part of a stream; those who wait get theirs in turn. A size over the limit
   * of the pool is given when nothing else is out.
   * @throws the signal's reason
   */
  take(size: number, signal?: AbortSignal): Promise<Buffer>;
  /**
   * The same for the next part of a stream that has sent one. It comes before all first ones, and gets its buffer
   * at once when none is on its way: those who still fill theirs may be waiting for what this stream holds.
   */
  takeNext(size: number, signal?: AbortSignal): Promise<Buffer>;
  /** The buffer is full and on its way: `give` follows without anybody's help. */
  send(buffer: Buffer): void;
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
  const firsts: Waiter[] = [];
  const nexts: Waiter[] = [];
  const sent = new Set<Buffer>();
  let out = 0;

  const fits = (size: number) => out === 0 || out + size <= limit;

  function hand(size: number): Buffer {
    out += size;
    return (size === keptSize ? kept.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  function handOn(): void {
    while (nexts[0] !== undefined && (fits(nexts[0].size) || sent.size === 0)) {
      const { size, resolve } = nexts.shift()!;
      resolve(hand(size));
    }
    while (nexts.length === 0 && firsts[0] !== undefined && fits(firsts[0].size)) {
      const { size, resolve } = firsts.shift()!;
      resolve(hand(size));
    }
  }

  function waitIn(waiting: Waiter[], size: number, signal: AbortSignal | undefined): Promise<Buffer> {
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
        handOn();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      waiting.push(waiter);
      handOn();
    });
  }

  return {
    take: (size, signal) => waitIn(firsts, size, signal),
    takeNext: (size, signal) => waitIn(nexts, size, signal),
    send(buffer) {
      sent.add(buffer);
    },
    give(buffer) {
      out -= buffer.length;
      sent.delete(buffer);
      if (buffer.length === keptSize) kept.push(buffer);
      handOn();
    },
  };
}
