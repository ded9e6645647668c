import { pause } from '../store/retry.ts';
import type { EventBus } from './bus.ts';
import { isSameCluster, openDataDirectory } from './cluster.ts';
import type { Publication } from './publication.ts';
import type { DaemonService } from './services.ts';

export interface ServeDeps {
  /** The setting: where clusters come and go. */
  pgdata: string;
  services: readonly DaemonService[];
  publication: Publication;
  bus: EventBus;
  /** For the event. */
  socket: string;
  /** ms between two looks whether the cluster is still the same. */
  interval: number;
}

/**
 * Serves the cluster in a directory, and the one that takes its place, until `signal` aborts. Launchers are told
 * last of a cluster that came, and first of one that went.
 * @throws PgarcError `locked` when another daemon serves it
 */
export async function serveClusters(deps: ServeDeps, signal: AbortSignal): Promise<void> {
  const { pgdata, services, publication, bus, socket } = deps;
  const rest = () => pause(deps.interval, signal).catch(() => undefined);
  let isWaiting = false;
  while (!signal.aborted) {
    const cluster = await openDataDirectory(pgdata);
    if (cluster === undefined) {
      if (!isWaiting) bus.emit({ type: 'daemonWaiting', pgdata });
      isWaiting = true;
      await rest();
      continue;
    }
    isWaiting = false;
    try {
      for (const service of services) await service.clusterFound?.(cluster);
      await publication.keep(cluster);
      bus.emit({ type: 'daemonReady', pgdata: cluster.pgdata, socket });
      while (!signal.aborted && (await isSameCluster(cluster, pgdata))) {
        await publication.keep(cluster);
        await rest();
      }
    } finally {
      await publication.withdraw();
      // A daemon that stops tells its services so itself: they may finish what they began.
      if (!signal.aborted) {
        for (const service of services) await service.clusterLost?.();
        await publication.clear();
      }
      await publication.close(cluster);
    }
  }
}
