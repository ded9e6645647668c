import { rm } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { ensureIdentity, IDENTITY_KEY, knownIdentity } from '../../../src/wal/identity.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { MemoryStore } from '../backup/memory-store.ts';

const { signal } = new AbortController();
const ID = 7_000_000_000_000_000_001n;

/** Counts requests; one that is careless replaces what is there unless it is told to look first. */
class CountedStore extends MemoryStore {
  knowsCondition = true;
  readonly calls: string[] = [];
  readonly #isCareless: boolean;

  constructor(isCareless: boolean, objects?: Map<string, Buffer>) {
    super();
    this.#isCareless = isCareless;
    for (const [key, body] of objects ?? []) this.objects.set(key, body);
  }

  override async putIfAbsent(key: string, body: Uint8Array) {
    this.calls.push('put');
    if (!this.#isCareless || !this.knowsCondition) return super.putIfAbsent(key, body);
    await this.put(key, body);
    return 'stored' as const;
  }

  override async get(key: string) {
    this.calls.push('get');
    return super.get(key);
  }
}

let spool: string;
const events: PgarcEvent[] = [];

beforeEach(async () => {
  spool = await makeTemporaryFolder('spool');
  events.length = 0;
});

function ensure(store: CountedStore, folder = spool): Promise<void> {
  return ensureIdentity({ store, spool: folder, emit: (event) => events.push(event) }, ID, signal);
}

test('a new archive is claimed with one more request that shows what its store makes of the condition', async () => {
  const store = new CountedStore(false);
  await ensure(store);
  expect(store.calls).toEqual(['get', 'put', 'put']);
  expect(store.knowsCondition).toBe(true);
  expect(JSON.parse(String(store.objects.get(IDENTITY_KEY)))).toEqual({
    system_identifier: String(ID),
    created: expect.any(String),
  });
  const next = new CountedStore(false, store.objects);
  await ensure(next);
  expect(next.calls).toEqual([]);
  expect(events).toEqual([]);
});

test('a store that ignores the condition is told, and remembered by this host and by the others', async () => {
  const store = new CountedStore(true);
  await ensure(store);
  expect(store.knowsCondition).toBe(false);
  expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining('memory:') }]);

  const next = new CountedStore(true, store.objects);
  await ensure(next);
  expect(next).toMatchObject({ knowsCondition: false, calls: [] });

  const onOtherHost = new CountedStore(true, store.objects);
  await ensure(onOtherHost, await makeTemporaryFolder('spool'));
  expect(onOtherHost).toMatchObject({ knowsCondition: false, calls: ['get'] });
  expect(events).toHaveLength(1);
});

test('a host that has only fetched knows it as well', async () => {
  const store = new CountedStore(true);
  await ensure(store);
  await rm(spool, { recursive: true });
  const reader = { store: new CountedStore(true, store.objects), spool, emit: () => undefined };
  expect(await knownIdentity(reader, signal)).toBe(ID);
  const writer = new CountedStore(true, store.objects);
  await ensure(writer);
  expect(writer).toMatchObject({ knowsCondition: false, calls: [] });
});
