import type { IncomingMessage } from 'node:http';
import { StalledError, startIdleTimer } from './idle-timer.ts';

/**
 * Bytes gathered into one chunk. Over TLS they come in records of 16 KiB at most; handing each one through the
 * generators above costs as much as decrypting it.
 */
const BLOCK_BYTES = 128 * 1024;

/** Bytes that may wait for a slow reader before the connection is told to wait. */
const AHEAD_BYTES = 512 * 1024;

/**
 * Chunks of an answer's body. Stands still no longer than `idleMs`, not counted while the reader is behind.
 * @throws StalledError, the connection's error, or the signal's reason
 */
export async function* readBody(
  body: IncomingMessage,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  const blockBytes = Math.min(BLOCK_BYTES, Number(body.headers['content-length'] ?? BLOCK_BYTES));
  const ready: Buffer[] = [];
  let readyBytes = 0;
  let block = Buffer.alloc(0);
  let begin = 0;
  let end = 0;
  let failure: Error | undefined;
  let isEnded = false;
  let wake: (() => void) | undefined;
  let isFlushing = false;

  const idle = startIdleTimer(idleMs, () => body.destroy(new StalledError(idleMs, 'the object was read')));
  const onAbort = () => body.destroy(signal!.reason);

  function flush(): void {
    if (end > begin) ready.push(block.subarray(begin, end));
    begin = end;
  }
  function notify(): void {
    wake?.();
    wake = undefined;
  }
  function onData(chunk: Buffer): void {
    idle.touch();
    readyBytes += chunk.length;
    if (chunk.length >= blockBytes / 2) {
      flush();
      ready.push(chunk);
    } else {
      gather(chunk);
    }
    if (readyBytes >= AHEAD_BYTES) {
      body.pause();
      idle.rest();
    }
    if (ready.length > 0) notify();
    else if (wake !== undefined && !isFlushing) {
      // All that has arrived by now comes first, so that a fast connection fills a block.
      isFlushing = true;
      setImmediate(() => {
        isFlushing = false;
        flush();
        notify();
      });
    }
  }
  function gather(chunk: Buffer): void {
    if (end + chunk.length > block.length) {
      flush();
      block = Buffer.allocUnsafeSlow(blockBytes);
      begin = 0;
      end = 0;
    }
    end += chunk.copy(block, end);
  }
  function onEnd(): void {
    isEnded = true;
    flush();
    notify();
  }
  function onFailure(error?: Error): void {
    if (isEnded) return;
    failure ??= error ?? body.errored ?? closedEarly();
    flush();
    notify();
  }

  signal?.addEventListener('abort', onAbort, { once: true });
  body.on('error', onFailure).once('end', onEnd).once('close', onFailure).on('data', onData);
  if (body.destroyed && !body.readableEnded) onFailure();
  try {
    for (;;) {
      const chunk = ready.shift();
      if (chunk !== undefined) {
        readyBytes -= chunk.length;
        yield chunk;
        if (readyBytes < AHEAD_BYTES && body.isPaused()) {
          idle.touch();
          body.resume();
        }
      } else if (end > begin) flush();
      else if (failure !== undefined) throw failure;
      else if (isEnded) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    idle.stop();
    signal?.removeEventListener('abort', onAbort);
    body.off('data', onData).off('end', onEnd).off('close', onFailure);
  }
}

function closedEarly(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
