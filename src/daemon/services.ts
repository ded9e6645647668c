import type { ClusterDeps } from '../cluster/lock.ts';
import type { Encoder } from '../codec/codec.ts';
import type { Settings } from '../config/settings.ts';
import type { ObjectStore } from '../store/store.ts';
import type { EventBus } from './bus.ts';
import type { Cluster } from './cluster.ts';
import type { Route } from './server.ts';
import type { DaemonSpool } from './spool.ts';

/** What every part of the daemon works with. */
export interface DaemonParts {
  readonly settings: Settings;
  /** Tells its events to the bus. */
  readonly store: ObjectStore;
  /** Where the nodes of the scope meet; undefined when the settings name no etcd or no scope. */
  readonly cluster: ClusterDeps | undefined;
  readonly encoder: Encoder;
  readonly spool: DaemonSpool;
  /** Events in and out: what a part does is told here, and counted and logged by those who listen. */
  readonly bus: EventBus;
  /** Aborted when work under way must end now; the time before it, a stopping part may finish what it began. */
  readonly deadline: AbortSignal;
}

/** One part of the daemon: pushing, prefetching, HTTP. */
export interface DaemonService {
  /** Paths it answers on the Unix socket, such as `/wal-push`. */
  readonly routes?: Readonly<Record<string, Route>>;
  /**
   * A cluster is there: at the start, or later, or another one in its place. The launcher believes markers
   * and fetched files only once all services are through.
   */
  clusterFound?(cluster: Cluster): Promise<void>;
  /** It is gone: nothing may be made for it any more, in the spool neither; what is there is removed afterwards. */
  clusterLost?(): Promise<void>;
  /** Begins nothing more; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export type ServiceFactory = (parts: DaemonParts) => Promise<DaemonService>;
