import type { BigIntStats } from 'node:fs';
import type { Encoder } from '../codec/codec.ts';
import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { pause } from '../store/retry.ts';
import type { ObjectStore } from '../store/store.ts';
import { createEventBus, type EventBus } from './bus.ts';
import { type Cluster, closeCluster, isSameCluster, openCluster } from './cluster.ts';
import { lockFile } from './lock.ts';
import { copyModified } from './marker.ts';
import { nameStore } from './protocol.ts';
import { type Route, startServer } from './server.ts';
import type { DaemonService, ServiceFactory } from './services.ts';
import { daemonSpool, emptySpool, makeSpool } from './spool.ts';
import { removeState, writeState } from './state.ts';

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

export interface DaemonOptions {
  /** What the launcher compares with its environment; undefined when it cannot be the same. */
  fingerprint: string | undefined;
  /** The settings file as it was before it was read; undefined when there was none. */
  settingsFile: BigIntStats | undefined;
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
      hint: 'Set PGDATA or --pgdata.',
    });
  }
  const spool = daemonSpool(settings.spool);
  await makeSpool(spool);
  const lock = await lockFile(spool.lock);
  const deadline = new AbortController();
  const bus = createEventBus();
  deps.listen(bus);
  await emptySpool(spool);
  const store = await deps.openStore(bus.emit);
  const parts = { settings, store, encoder: deps.encoder, spool, bus, deadline: deadline.signal };
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
      await serveClusters(pgdata, services);
    } finally {
      const limit = setTimeout(() => deadline.abort(stopped()), options.stopLimit ?? 10_000);
      await removeState(spool.state);
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
    await emptySpool(spool);
    store.close();
    await lock.close();
  }

  async function serveClusters(path: string, all: readonly DaemonService[]): Promise<void> {
    const interval = options.clusterInterval ?? 1000;
    let told = false;
    while (!signal.aborted) {
      const cluster = await openCluster(path);
      if (cluster === undefined) {
        if (!told) bus.emit({ type: 'daemonWaiting', pgdata: path });
        told = true;
        await pauseQuietly(interval);
        continue;
      }
      told = false;
      try {
        for (const service of all) await service.clusterFound?.(cluster);
        await publish(cluster);
        bus.emit({ type: 'daemonReady', pgdata: cluster.pgdata, socket: spool.socket });
        while (!signal.aborted && (await isSameCluster(cluster, path))) await pauseQuietly(interval);
      } finally {
        await removeState(spool.state);
        if (!signal.aborted) for (const service of all) await service.clusterLost?.();
        await closeCluster(cluster);
      }
    }
  }

  async function publish(cluster: Cluster): Promise<void> {
    const { fingerprint, settingsFile } = options;
    if (fingerprint === undefined) return;
    if (settingsFile !== undefined && !(await copyModified(settingsFile, spool.settingsMark))) return;
    await writeState(spool.state, {
      pid: process.pid,
      lockFd: lock.fd,
      controlFd: cluster.control.fd,
      pgdata: cluster.pgdata,
      fingerprint,
    });
  }

  async function pauseQuietly(ms: number): Promise<void> {
    await pause(ms, signal).catch(() => undefined);
  }
}

function collectRoutes(services: readonly DaemonService[]): Map<string, Route> {
  return new Map(services.flatMap(({ routes = {} }) => Object.entries(routes)));
}

function stopped(): PgarcError {
  return new PgarcError('interrupted', 'the daemon stops');
}
