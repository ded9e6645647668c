import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ListDeps, listBackupsAnyhow } from '../../../src/cluster/list-anyhow.ts';
import { refreshLists } from '../../../src/cluster/refresh-lists.ts';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { openFolderStore } from '../../../src/store/folder.ts';
import type { ObjectStore } from '../../../src/store/store.ts';
import { startEtcd } from '../../support/etcd.ts';
import { openTestClient } from '../../support/etcd-client.ts';
import { SAMPLE, SAMPLE_DELTA, SAMPLE_FULL } from '../sample.ts';

const signal = new AbortController().signal;
const store = openFolderStore(SAMPLE, () => undefined);
const events: PgarcEvent[] = [];
let deps: Omit<ListDeps, 'store'>;
let empty: Omit<ListDeps, 'store'>;

beforeAll(async () => {
  const etcd = await startEtcd();
  const emit = (event: PgarcEvent) => void events.push(event);
  const client = await openTestClient(etcd.env('filled'));
  deps = { ...client, emit };
  empty = { ...(await openTestClient(etcd.env('empty'))), emit };
  await refreshLists({ ...client, emit, store }, signal);
});

/** The sample, listed in another way. */
function listedBy(list: ObjectStore['list']): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => (name === 'list' ? list : Reflect.get(target, name, target)),
  });
}

const failing = (error: Error) =>
  // biome-ignore lint/correctness/useYield: it fails before its first object
  listedBy(async function* () {
    throw error;
  });
const silent = (ended: { reason?: unknown } = {}) =>
  listedBy(async function* (_prefix, options) {
    await sleep(600_000, undefined, { signal: options?.signal }).catch((error: Error) => {
      ended.reason = error.cause;
      throw options?.signal?.reason;
    });
  });

describe('a list of backups', () => {
  it('comes from the store when that answers, however slowly', async () => {
    const slow = listedBy(async function* (...args) {
      for await (const object of store.list(...args)) {
        await sleep(200);
        yield object;
      }
    });
    const list = await listBackupsAnyhow({ ...deps, store: slow }, { patience: 300 }, signal);
    expect(list).toMatchObject({ source: 'store', backups: [{ name: SAMPLE_FULL }, { name: SAMPLE_DELTA }] });
  });

  it('comes from etcd when the store is silent, which is not asked any more then', async () => {
    const ended: { reason?: unknown } = {};
    const list = await listBackupsAnyhow({ ...deps, store: silent(ended) }, { patience: 200 }, signal);
    expect(list).toMatchObject({ source: 'etcd', reason: 'the store has not answered for 0.2 s' });
    expect(list.backups).toHaveLength(2);
    await expect.poll(() => ended).toHaveProperty('reason');
  });

  it('comes from etcd at once when the store cannot be reached', async () => {
    const refused = failing(new PgarcError('store-unreachable', 'connection refused'));
    const list = await listBackupsAnyhow({ ...deps, store: refused }, { patience: 600_000 }, signal);
    expect(list).toMatchObject({
      source: 'etcd',
      reason: 'the store is not reachable: connection refused',
    });
  });

  it('does not come from etcd for another error, or when nobody waits', async () => {
    const denied = new PgarcError('setting-invalid', 'wrong key');
    await expect(listBackupsAnyhow({ ...deps, store: failing(denied) }, {}, signal)).rejects.toBe(denied);
    const stopped = new PgarcError('interrupted', 'stopped');
    await expect(
      listBackupsAnyhow({ ...deps, store: silent() }, {}, AbortSignal.abort(stopped)),
    ).rejects.toBe(stopped);
  });

  it('fails as the store did when etcd has none, or there is no etcd', async () => {
    const error = new PgarcError('store-unreachable', 'connection refused');
    await expect(listBackupsAnyhow({ ...empty, store: failing(error) }, {}, signal)).rejects.toBe(error);
    expect(events).toContainEqual({ type: 'warning', message: 'etcd holds no list of backups yet' });
    const none = { etcd: undefined, keys: undefined, emit: empty.emit };
    await expect(listBackupsAnyhow({ ...none, store: failing(error) }, {}, signal)).rejects.toBe(error);
    expect(await listBackupsAnyhow({ ...none, store }, {}, signal)).toMatchObject({ source: 'store' });
  });
});
