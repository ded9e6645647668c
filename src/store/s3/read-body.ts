import type { IncomingMessage } from 'node:http';
import { promiseCopies } from './gathered-agent.ts';
import { StalledError, startIdleTimer } from './idle-timer.ts';
import { borrowRing } from './ring.ts';

/** Bytes that are worth handing on before all that has arrived is taken in. */
const ENOUGH_BYTES = 64 * 1024;

/**
 * Chunks of an answer's body, each valid until the next one is asked for. Stands still no longer than `idleMs`,
 * not counted while the reader is behind.
 * @throws StalledError, the connection's error, or the signal's reason
 */
export async function* readBody(
  body: IncomingMessage,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  const ring = borrowRing(Number(body.headers['content-length'] ?? Number.POSITIVE_INFINITY));
  let failure: Error | undefined;
  let isEnded = false;
  let wake: (() => void) | undefined;
  let isWaking = false;

  const idle = startIdleTimer(idleMs, () => body.destroy(new StalledError(idleMs, 'the object was read')));
  const onAbort = () => body.destroy(signal!.reason);

  function notify(): void {
    wake?.();
    wake = undefined;
  }
  function onData(chunk: Buffer): void {
    idle.touch();
    const taken = ring.write(chunk);
    if (taken < chunk.length) {
      body.pause();
      body.unshift(chunk.subarray(taken));
      idle.rest();
    }
    if (ring.length >= ENOUGH_BYTES) notify();
    else if (wake !== undefined && !isWaking) {
      // All that has arrived by now comes first: small chunks cost more on their way than their decryption.
      isWaking = true;
      setImmediate(() => {
        isWaking = false;
        notify();
      });
    }
  }
  function onEnd(): void {
    isEnded = true;
    notify();
  }
  function onFailure(error?: Error): void {
    if (isEnded) return;
    failure ??= error ?? body.errored ?? closedEarly();
    notify();
  }

  signal?.addEventListener('abort', onAbort, { once: true });
  body.on('error', onFailure).once('end', onEnd).once('close', onFailure).on('data', onData);
  promiseCopies(body);
  if (body.destroyed && !body.readableEnded) onFailure();
  try {
    for (;;) {
      const chunk = ring.read();
      if (chunk.length > 0) {
        yield chunk;
        ring.release(chunk.length);
        if (body.isPaused()) {
          idle.touch();
          body.resume();
        }
      } else if (failure !== undefined) throw failure;
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
    ring.giveBack();
  }
}

function closedEarly(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
