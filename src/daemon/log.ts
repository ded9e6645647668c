import type { Emit, PgarcEvent } from '../report/events.ts';

/** Retries and failures come by the hundred while a store is down: `storeDown` tells of them once a minute. */
const MUTE: readonly PgarcEvent['type'][] = ['storeRetry'];

/** What of the daemon's events its log shows. */
export function createDaemonLog(log: Emit): Emit {
  return (event) => {
    if (!MUTE.includes(event.type)) log(event);
  };
}
