import { expect, test } from 'vitest';
import { openFolderStore } from '../../../src/store/folder.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { describeStoreContract, keysOf } from './contract.ts';

describeStoreContract(
  'folder store',
  async () => openFolderStore(await makeTemporaryFolder('store'), () => undefined),
  32,
);

test('folders are listed where their slash belongs, however their names begin with each other', async () => {
  const store = openFolderStore(await makeTemporaryFolder('store'), () => undefined);
  const keys = ['a/x', 'a-/x', 'a-/-', 'a--/x', 'a--0', 'a-.', 'a.b', 'a0/y', 'a0-', 'a00'];
  for (const key of keys) await store.put(key, Buffer.from(key));
  const sorted = keys.toSorted();
  expect(await keysOf(store.list(''))).toEqual(sorted);
  for (const startAfter of sorted) {
    expect(await keysOf(store.list('a', { startAfter }))).toEqual(sorted.filter((key) => key > startAfter));
  }
});
