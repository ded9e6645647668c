import type { Emit, PgarcEvent } from '../report/events.ts';

/** The same failure of the same file is told once in so long, ms. */
const REPEAT = 60_000;

/** What of the daemon's events its log shows: what comes by the hundred while a store is down is left out. */
export function createDaemonLog(log: Emit, now: () => number = () => performance.now()): Emit {
  const told = new Map<string, number>();

  function isRepeat(event: Extract<PgarcEvent, { type: 'walPushFailed' }>): boolean {
    const time = now();
    for (const [key, at] of told) if (time - at >= REPEAT) told.delete(key);
    const key = `${event.name} ${event.code}`;
    if (told.has(key)) return true;
    told.set(key, time);
    return false;
  }

  return (event) => {
    // `storeDown` tells of these.
    if (event.type === 'storeRetry') return;
    // For other parts: they are long, and change nothing.
    if (event.type === 'backupsListed' || event.type === 'archiveScanned') return;
    if (event.type === 'walPushFailed' && (event.code === 'store-unreachable' || isRepeat(event))) return;
    log(event);
  };
}
