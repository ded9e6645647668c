import { expect, it } from 'vitest';
import { checkStore, PROBE_PREFIX } from '../../../src/check/store.ts';
import { MemoryStore } from '../backup/memory-store.ts';

const signal = new AbortController().signal;

it('proves a store that works, and leaves nothing behind', async () => {
  const store = new MemoryStore();
  expect(await checkStore(store, signal)).toMatchObject({ name: 'store', status: 'ok' });
  expect([...store.objects.keys()].filter((key) => key.startsWith(PROBE_PREFIX))).toEqual([]);
});

it('warns of one that ignores the condition', async () => {
  class Careless extends MemoryStore {
    override async putIfAbsent(key: string, body: Uint8Array): Promise<'stored' | 'exists'> {
      await this.put(key, body);
      return 'stored';
    }
  }
  expect(await checkStore(new Careless(), signal)).toMatchObject({ status: 'warning' });
});

it('warns of one that has refused the condition and is asked first instead', async () => {
  class Refusing extends MemoryStore {
    knowsCondition = true;
    override async putIfAbsent(key: string, body: Uint8Array): Promise<'stored' | 'exists'> {
      this.knowsCondition = false;
      return super.putIfAbsent(key, body);
    }
  }
  expect(await checkStore(new Refusing(), signal)).toMatchObject({ status: 'warning' });
});

it('fails for one that returns something else, and still cleans up', async () => {
  const store = new MemoryStore();
  store.beforeGet = (key) => void store.objects.set(key, Buffer.from('stale'));
  await expect(checkStore(store, signal)).rejects.toThrow('does not return what was written');
  expect(store.objects.size).toBe(0);
});

it('tells what went wrong first, and removes nothing where nothing was stored', async () => {
  class Gone extends MemoryStore {
    deletions = 0;
    override async delete(): Promise<void> {
      this.deletions += 1;
      throw new Error('delete failed');
    }
  }
  const unwritable = new Gone();
  unwritable.put = () => Promise.reject(new Error('put failed'));
  await expect(checkStore(unwritable, signal)).rejects.toThrow('put failed');
  expect(unwritable.deletions).toBe(0);

  const unreadable = new Gone();
  unreadable.beforeGet = () => Promise.reject(new Error('get failed'));
  await expect(checkStore(unreadable, signal)).rejects.toThrow('get failed');
  expect(unreadable.deletions).toBe(1);
});
