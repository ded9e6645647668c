import { type Backup, listBackups } from '../backup/catalog.ts';
import { isPgarcError, messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { type CacheDeps, readBackupCache } from './backup-cache.ts';
import type { StoredList } from './backup-list.ts';
import type { Etcd } from './etcd.ts';
import type { ClusterKeys } from './keys.ts';

export interface ListDeps {
  store: ObjectStore;
  /** Undefined: only the store is asked. */
  etcd: Etcd | undefined;
  keys: ClusterKeys | undefined;
  emit: Emit;
}

export interface ListOptions {
  /** ms of silence of the store after which etcd's list is taken; default 3 s. */
  patience?: number;
}

export interface AnyList {
  /** Oldest first. */
  backups: Backup[];
  source: 'store' | 'etcd';
  /** When the list was read from the store. */
  readAt: Date;
  /** How many of the oldest etcd's list lacks. */
  omitted: number;
  /** Why it is etcd's; undefined for the store's. */
  reason?: string;
}

const PATIENCE = 3000;

/**
 * Lists the backups from the store, or as etcd remembers them when the store is not reachable or says nothing for
 * `patience`. A store that answers bit by bit is waited for.
 * @throws PgarcError `store-unreachable` when etcd has no list either
 */
export async function listBackupsAnyhow(
  deps: ListDeps,
  { patience = PATIENCE }: ListOptions,
  signal: AbortSignal,
): Promise<AnyList> {
  const { store, etcd, keys } = deps;
  const readAt = new Date();
  const fromStore = (backups: Backup[]): AnyList => ({ backups, source: 'store', readAt, omitted: 0 });
  if (etcd === undefined || keys === undefined) return fromStore(await listBackups(store, signal));

  const enough = new AbortController();
  const silence = new SilenceWatch(patience);
  const listing = listBackups(silence.watch(store), AbortSignal.any([signal, enough.signal]));
  listing.catch(() => undefined);
  try {
    const first = await Promise.race([listing.catch((error: unknown) => ({ error })), silence.broken]);
    if (Array.isArray(first)) return fromStore(first);
    signal.throwIfAborted();
    if (first !== undefined && !isPgarcError(first.error, 'store-unreachable')) throw first.error;
    const reason =
      first === undefined
        ? `the store has not answered for ${patience / 1000} s`
        : `the store is not reachable: ${messageOf(first.error)}`;
    const cached = await readCached({ etcd, keys, emit: deps.emit }, signal);
    if (cached === undefined) return fromStore(await listing);
    return { ...cached, source: 'etcd', reason };
  } finally {
    silence.stop();
    enough.abort();
  }
}

async function readCached(deps: CacheDeps, signal: AbortSignal): Promise<StoredList | undefined> {
  try {
    const cached = await readBackupCache(deps, signal);
    if (cached === undefined) deps.emit({ type: 'warning', message: 'etcd holds no list of backups yet' });
    return cached;
  } catch (error) {
    if (signal.aborted) throw error;
    deps.emit({ type: 'warning', message: `no list of backups from etcd: ${messageOf(error)}` });
    return undefined;
  }
}

/** Notices when a store says nothing for a time. */
class SilenceWatch {
  /** Resolves, with nothing, when it has. */
  readonly broken: Promise<undefined>;
  readonly #patience: number;
  #timer: NodeJS.Timeout | undefined;
  #give: () => void = () => undefined;

  constructor(patience: number) {
    this.#patience = patience;
    this.broken = new Promise((resolve) => {
      this.#give = () => resolve(undefined);
    });
    this.#restart();
  }

  /** The store, watched. */
  watch(store: ObjectStore): ObjectStore {
    const heard = () => this.#restart();
    async function* list(...[prefix, options]: Parameters<ObjectStore['list']>) {
      for await (const object of store.list(prefix, options)) {
        heard();
        yield object;
      }
    }
    const get: ObjectStore['get'] = async (key, options) => {
      const bytes = await store.get(key, options);
      heard();
      return bytes;
    };
    return new Proxy(store, {
      get(target, name) {
        if (name === 'list') return list;
        if (name === 'get') return get;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#give = () => undefined;
  }

  #restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#give(), this.#patience);
  }
}
