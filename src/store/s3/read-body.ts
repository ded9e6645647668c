import type { IncomingMessage } from 'node:http';
import { StalledError, startIdleTimer } from './idle-timer.ts';

/**
 * Chunks of an answer's body. Stands still no longer than `idleMs`, counted only while a chunk is awaited:
 * a reader may take its time.
 * @throws StalledError, the connection's error, or the signal's reason
 */
export async function* readBody(
  body: IncomingMessage,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  const idle = startIdleTimer(idleMs, () => body.destroy(new StalledError(idleMs, 'the object was read')));
  const onAbort = () => body.destroy(signal!.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of body) {
      idle.rest();
      yield chunk as Buffer;
      idle.touch();
    }
  } finally {
    idle.stop();
    signal?.removeEventListener('abort', onAbort);
  }
}
