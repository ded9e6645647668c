import { mkdir } from 'node:fs/promises';
import type { DaemonParts, DaemonService } from '../daemon/services.ts';
import { watchFolder } from '../daemon/watch-folder.ts';
import { messageOf } from '../errors.ts';
import { decisionsFolder, takeDecisions } from './record.ts';

/** Beside the watch, which may be silent, ms. */
const INTERVAL = 10_000;

/** Counts the decisions of `replica-bootstrap` on this host: it ends before anybody could ask it for a metric. */
export async function createDecisionService({ spool, bus }: DaemonParts): Promise<DaemonService> {
  const folder = decisionsFolder(spool.folder);
  let busy: Promise<void> = Promise.resolve();
  const look = () => {
    busy = busy
      .then(async () => {
        for (const { at, verdict, reason } of await takeDecisions(spool.folder)) {
          bus.emit({ type: 'replicaDecided', at: at.toISOString(), verdict, reason });
        }
      })
      // A record that cannot be removed is not counted: it would be again and again.
      .catch(() => undefined);
  };
  let stopWatching = () => {};
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    stopWatching = watchFolder(folder, look);
  } catch (error) {
    bus.emit({ type: 'warning', message: `decisions on replicas are not counted: ${messageOf(error)}` });
  }
  const timer = setInterval(look, INTERVAL).unref();
  look();
  return {
    async stop() {
      clearInterval(timer);
      stopWatching();
      await busy.catch(() => undefined);
    },
  };
}
