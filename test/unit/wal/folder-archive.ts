import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openEncoder } from '../../../src/codec/codecs.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { openFolderStore } from '../../../src/store/folder.ts';
import type { ObjectStore } from '../../../src/store/store.ts';
import { compressBuffer } from '../../../src/wal/compress.ts';
import { type FetchResult, fetchWal } from '../../../src/wal/fetch.ts';
import { walKey } from '../../../src/wal/keys.ts';
import { type PushResult, pushWal } from '../../../src/wal/push.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

/** An archive in a folder, a spool and a cluster's data directory without a server. */
export interface FolderArchive {
  store: ObjectStore;
  /** Calls of the store: `get wal_005/…`. */
  calls: string[];
  events: PgarcEvent[];
  spool: string;
  data: string;
  push(name: string, bytes: Uint8Array, options?: PushOverrides): Promise<PushResult>;
  fetch(name: string, options?: FetchOverrides): Promise<FetchResult>;
  /** Stores bytes compressed, past all checks. */
  plant(name: string, bytes: Buffer, method?: 'lz4' | 'zstd'): Promise<void>;
}

interface PushOverrides {
  method?: 'lz4' | 'zstd';
  spool?: string;
  store?: ObjectStore;
  streamAbove?: number;
}

interface FetchOverrides {
  destination?: string;
  store?: ObjectStore;
  fetchTimeout?: number;
  signal?: AbortSignal;
}

export async function makeFolderArchive(): Promise<FolderArchive> {
  const folder = await makeTemporaryFolder();
  const [root, spool, data] = [join(folder, 'store'), join(folder, 'spool'), join(folder, 'data')];
  await mkdir(root);
  await mkdir(join(data, 'pg_wal'), { recursive: true });
  const calls: string[] = [];
  const events: PgarcEvent[] = [];
  const emit = (event: PgarcEvent) => {
    events.push(event);
  };
  const store = count(openFolderStore(root, emit), calls);
  const { signal: never } = new AbortController();
  return {
    store,
    calls,
    events,
    spool,
    data,
    async push(name, bytes, options = {}) {
      await writeFile(join(data, 'pg_wal', name), bytes);
      const encoder = await openEncoder(options.method ?? 'lz4');
      const deps = {
        store: options.store ?? store,
        encoder,
        spool: options.spool ?? spool,
        pgdata: undefined,
      };
      return pushWal(
        { ...deps, emit },
        { path: `pg_wal/${name}`, cwd: data, streamAbove: options.streamAbove },
        never,
      );
    },
    fetch(name, options = {}) {
      const deps = { store: options.store ?? store, usualExtension: 'lz4', spool, pgdata: undefined, emit };
      const destination = options.destination ?? 'pg_wal/RECOVERYXLOG';
      return fetchWal(
        { ...deps, fetchTimeout: options.fetchTimeout ?? 0 },
        { name, destination, cwd: data },
        options.signal ?? never,
      );
    },
    async plant(name, bytes, method = 'lz4') {
      const encoder = await openEncoder(method);
      await store.put(walKey(name, encoder.extension), await compressBuffer(bytes, encoder));
      calls.length = 0;
    },
  };
}

/** Writes down which of the store's functions are called with which key. */
function count(store: ObjectStore, calls: string[]): ObjectStore {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(`${String(property)} ${String(args[0])}`);
        return value.apply(target, args);
      };
    },
  });
}
