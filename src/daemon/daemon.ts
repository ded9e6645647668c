import { openCluster } from '../cluster/open.ts';
import type { Encoder } from '../codec/codec.ts';
import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { createEventBus, type EventBus } from './bus.ts';
import { lockSpool } from './lock.ts';
import { nameStore } from './protocol.ts';
import { Publication } from './publication.ts';
import { Publisher, type SharedSettings } from './publisher.ts';
import { serveClusters } from './serve-clusters.ts';
import { type Route, startServer } from './server.ts';
import type { DaemonService, ServiceFactory } from './services.ts';
import { daemonSpool, emptySpool, makeSpool } from './spool.ts';

export interface DaemonDeps {
  settings: Settings;
  encoder: Encoder;
  /** Opens the store of the settings; its events go to `emit`. */
  openStore(emit: Emit): Promise<ObjectStore>;
  /** Sets up the listeners of the bus, such as the log. */
  listen(bus: EventBus): void;
  /** Pushing, prefetching, HTTP. */
  services: readonly ServiceFactory[];
}

export interface DaemonOptions extends SharedSettings {
  /** ms between two looks whether the cluster is still the same; default 1 s. */
  clusterInterval?: number;
  /** How long a stopping daemon lets work under way go on, ms; default 10 s. */
  stopLimit?: number;
}

/**
 * Serves one cluster and one spool until `signal` aborts, then stops in good order: state file and socket go
 * first, uploads under way may end within a limit. Waits for a data directory that is not there yet.
 * @throws PgarcError `locked` when another daemon serves the same; `setting-invalid`
 */
export async function runDaemon(
  deps: DaemonDeps,
  options: DaemonOptions,
  signal: AbortSignal,
): Promise<void> {
  const { settings } = deps;
  const { pgdata } = settings;
  if (pgdata === undefined) {
    throw new PgarcError('setting-invalid', 'the daemon needs to know the data directory', {
      hint: 'Set PGDATA, --pgdata, or pgdata in the settings file.',
    });
  }
  const spool = daemonSpool(settings.spool);
  await makeSpool(spool);
  const lock = await lockSpool(spool);
  const deadline = new AbortController();
  const bus = createEventBus();
  deps.listen(bus);
  await emptySpool(spool);
  const store = await deps.openStore(bus.emit);
  const cluster = openCluster(settings, bus.emit);
  const parts = { settings, store, cluster, encoder: deps.encoder, spool, bus, deadline: deadline.signal };
  const publication = new Publication(new Publisher(spool, lock, options, bus.emit), spool, bus.emit);
  const services: DaemonService[] = [];
  const stopServices = () => Promise.all(services.map((service) => service.stop()));
  try {
    for (const create of deps.services) services.push(await create(parts));
    const server = await startServer({
      socket: spool.socket,
      routes: collectRoutes(services),
      store: nameStore(settings),
    });
    try {
      const interval = options.clusterInterval ?? 1000;
      await serveClusters({ pgdata, services, publication, bus, socket: spool.socket, interval }, signal);
    } finally {
      const limit = setTimeout(() => deadline.abort(stopped()), options.stopLimit ?? 10_000);
      await publication.withdraw();
      const closed = server.close();
      await stopServices();
      clearTimeout(limit);
      // Whoever was answered has it; a client that only holds on to its connection is not waited for.
      setTimeout(() => server.cut(), 1000).unref();
      await closed;
    }
  } finally {
    deadline.abort(stopped());
    await stopServices();
    // What cannot be removed, nobody believes once this process has ended.
    await emptySpool(spool).catch(() => undefined);
    store.close();
    cluster?.etcd.close();
    await lock.close();
  }
}

function collectRoutes(services: readonly DaemonService[]): Map<string, Route> {
  return new Map(services.flatMap(({ routes = {} }) => Object.entries(routes)));
}

function stopped(): PgarcError {
  return new PgarcError('interrupted', 'the daemon stops');
}
