import type { Emit, PgarcEvent } from '../report/events.ts';

/** Hands every event of the daemon to all who listen: the log, the metrics, the look-out for a store that is down. */
export interface EventBus {
  readonly emit: Emit;
  /** @returns how to stop listening */
  listen(listener: Emit): () => void;
}

/** Listeners are called at once, in the order in which they began to listen. */
export function createEventBus(): EventBus {
  const listeners = new Set<Emit>();
  return {
    emit(event: PgarcEvent) {
      for (const listener of listeners) listener(event);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
