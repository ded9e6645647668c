import { Dir } from 'node:fs';
import { chmod, mkdir, readdir, readlink, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { createOnly, syncPath } from '../../../src/store/folder/write.ts';
import { openFolderStore } from '../../../src/store/folder.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../../support/temporary.ts';
import { unprivilegedAccount } from '../../support/unprivileged.ts';
import { chunks, collect, keysOf } from './contract.ts';

const ignore = () => undefined;

/** A time behind that of every file. */
const later = () => new Date(Date.now() + 60_000);

afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * Lets Node read folders as where the file system does not tell kinds: it looks at each entry by itself, and one of
 * them is removed meanwhile.
 */
function loseEntriesWhileRead(): void {
  const failure = Object.assign(new Error('ENOENT: no such file or directory, lstat'), { code: 'ENOENT' });
  vi.spyOn(Dir.prototype, Symbol.asyncIterator).mockImplementation(async function* (this: Dir) {
    const first = await this.read();
    await this.close();
    if (first !== null) yield first;
    throw failure;
  });
}

/** Runs something bound by the permissions of files, as root is not. */
async function withoutPrivileges<T>(act: () => Promise<T>): Promise<T> {
  const account = unprivilegedAccount();
  if (account !== undefined) process.seteuid?.(account.uid);
  try {
    return await act();
  } finally {
    if (account !== undefined) process.seteuid?.(0);
  }
}

test('a root that does not exist is never created and never "no such object"', async () => {
  const parent = await makeTemporaryFolder();
  const root = join(parent, 'not-mounted');
  const store = openFolderStore(root, ignore);
  for (const act of [
    () => store.get('x'),
    () => store.getStream('x/y'),
    () => store.head('x'),
    () => keysOf(store.list('')),
    () => keysOf(store.list('x/')),
    () => store.put('x', Buffer.from('x')),
    () => store.put('a/b/x', Buffer.from('x')),
    () => store.putIfAbsent('x', Buffer.from('x')),
    () => store.putStream('a/x', chunks(Buffer.from('x'))),
    () => store.delete(['x']),
    () => store.sweep(new Date()),
  ]) {
    await expect(act()).rejects.toMatchObject({
      code: 'store-unreachable',
      retryable: true,
      message: /does not exist/,
    });
  }
  expect(await readdir(parent)).toEqual([]);
});

test('a root that is a file is no store', async () => {
  const parent = await makeTemporaryFolder();
  await writeFile(join(parent, 'file'), '');
  const store = openFolderStore(join(parent, 'file'), ignore);
  await expect(store.get('x')).rejects.toMatchObject({
    code: 'store-unreachable',
    message: /is not a folder/,
  });
  await expect(store.put('x', Buffer.from('x'))).rejects.toMatchObject({ code: 'store-unreachable' });
});

test('temporary files are hidden, and swept once they are old', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  await store.put('a/x', Buffer.from('x'));
  const stale = join(root, 'a/.pgarc-1-0123.tmp');
  await writeFile(stale, 'half of it');
  await utimes(stale, new Date(), new Date(Date.now() - 3_600_000));
  await writeFile(join(root, '.pgarc-2-0123.tmp'), 'on its way');
  expect(await keysOf(store.list(''))).toEqual(['a/x']);
  expect(await store.sweep(new Date(Date.now() - 60_000))).toBe(1);
  expect(await readdir(join(root, 'a'))).toEqual(['x']);
  expect(await readdir(root)).toEqual(['.pgarc-2-0123.tmp', 'a']);
});

test('an entry that is removed while its folder is read hides no other', async () => {
  const store = openFolderStore(await makeTemporaryFolder(), ignore);
  await store.put('wal_005/1.lz4', Buffer.from('x'));
  loseEntriesWhileRead();
  expect(await keysOf(store.list('wal_005/1'))).toEqual(['wal_005/1.lz4']);
});

test('an object that is removed while a listing is on its way is left out', async () => {
  const store = openFolderStore(await makeTemporaryFolder(), ignore);
  const keys = Array.from({ length: 40 }, (_, i) => `a/${i + 100}`);
  for (const key of keys) await store.put(key, Buffer.from('x'));
  const listed: string[] = [];
  for await (const { key } of store.list('a/')) {
    if (listed.length === 0) await store.delete(['a/139']);
    listed.push(key);
  }
  expect(listed).toEqual(keys.slice(0, -1));
});

test('what is removed while a folder is swept keeps no other from it', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  await store.put('a/b/x', Buffer.from('x'));
  await symlink(join(root, 'missing'), join(root, 'a/broken'));
  for (const name of ['a/b/.pgarc-1-0123.tmp', 'a/b/.pgarc-2-0123.tmp']) {
    await writeFile(join(root, name), 'half of it');
  }
  loseEntriesWhileRead();
  expect(await store.sweep(later())).toBe(2);
  expect(await readdir(join(root, 'a/b'))).toEqual(['x']);
});

test('a sweep leaves folders alone that it may not read', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  await makeOwnedDirectory(join(root, 'lost+found'), 0o000);
  await makeOwnedDirectory(join(root, 'wal_005'));
  await writeFile(join(root, 'wal_005/.pgarc-1-0123.tmp'), 'half of it');
  expect(await withoutPrivileges(() => store.sweep(later()))).toBe(1);
  expect(await readdir(join(root, 'wal_005'))).toEqual([]);
  await chmod(root, 0o000);
  const refused = await withoutPrivileges(() => store.sweep(later()).catch((error: unknown) => error));
  await chmod(root, 0o755);
  await chmod(join(root, 'lost+found'), 0o755);
  expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('EACCES') });
});

test('a sweep that cannot remove a file removes the others, and tells it then', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  for (const folder of ['a', 'b', 'c']) await makeOwnedDirectory(join(root, folder));
  const sweepWithout = async (...folders: string[]) => {
    for (const folder of ['a', 'b', 'c']) await writeFile(join(root, folder, '.pgarc-1.tmp'), 'half of it');
    for (const folder of folders) await chmod(join(root, folder), 0o500);
    const failure = await withoutPrivileges(() => store.sweep(later()).catch((error: Error) => error));
    for (const folder of folders) await chmod(join(root, folder), 0o700);
    return failure;
  };
  expect(await sweepWithout('a')).toMatchObject({
    message: expect.stringMatching(/^cannot sweep a\/\.pgarc-1\.tmp in .*EACCES/),
  });
  const left = await readdir(root, { recursive: true });
  expect(left.toSorted()).toEqual(['a', 'a/.pgarc-1.tmp', 'b', 'c']);
  expect(await sweepWithout('a', 'b')).toMatchObject({
    message: expect.stringMatching(/^cannot sweep 2 files or folders, the first is [ab]\/\.pgarc-1\.tmp in /),
  });
  expect(await readdir(join(root, 'c'))).toEqual([]);
});

test('nothing but the object stays behind', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  await Promise.all(Array.from({ length: 10 }, (_, i) => store.putIfAbsent('a/b/x', Buffer.from(`${i}`))));
  await store.putStream('a/b/y', chunks(Buffer.from('y')));
  expect((await readdir(root, { recursive: true })).toSorted()).toEqual(['a', 'a/b', 'a/b/x', 'a/b/y']);
  await store.delete(['a/b/x', 'a/b/y']);
  expect(await readdir(root)).toEqual([]);
});

test('writers and removers of one folder do not disturb each other', async () => {
  const store = openFolderStore(await makeTemporaryFolder(), ignore);
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      for (let round = 0; round < 10; round++) {
        await store.put(`deep/er/${i}`, Buffer.from('x'));
        await store.delete([`deep/er/${i}`]);
      }
    }),
  );
  expect(await keysOf(store.list(''))).toEqual([]);
});

test('a file system without hard links is asked first, and that is said once', async () => {
  const root = await makeTemporaryFolder();
  const context = { root, emit: ignore, canLink: false, settled: new Set<string>(), sync: syncPath };
  await writeFile(join(root, 'one'), 'first');
  await writeFile(join(root, 'two'), 'second');
  expect(await createOnly(context, join(root, 'one'), join(root, 'x'))).toBe('stored');
  expect(await createOnly(context, join(root, 'two'), join(root, 'x'))).toBe('exists');
  expect(await readdir(root)).toEqual(['x']);
});

test('where it cannot be told whether there is an object, none is replaced', async () => {
  const root = await makeTemporaryFolder();
  const context = { root, emit: ignore, canLink: false, settled: new Set<string>(), sync: syncPath };
  // Looking at it fails with ELOOP.
  await symlink('x', join(root, 'x'));
  await writeFile(join(root, 'one'), 'other');
  await expect(createOnly(context, join(root, 'one'), join(root, 'x'))).rejects.toThrow('ELOOP');
  expect(await readlink(join(root, 'x'))).toBe('x');
  const store = openFolderStore(root, ignore);
  await expect(store.putIfAbsent('x', Buffer.from('other'))).rejects.toMatchObject({
    code: 'store-unreachable',
    message: expect.stringContaining('cannot look at x in '),
  });
});

test('what another process has stored is made durable before it counts', async () => {
  const root = await makeTemporaryFolder();
  await openFolderStore(root, ignore).put('a/b/x', Buffer.from('x'));
  const open = () => {
    const synced: string[] = [];
    const store = openFolderStore(root, ignore, async (path) => {
      await syncPath(path);
      synced.push(relative(root, path));
    });
    return { store, synced };
  };
  const all = ['a/b/x', 'a/b', 'a', ''];
  const first = open();
  expect(await first.store.putIfAbsent('a/b/x', Buffer.from('x'))).toBe('exists');
  expect(first.synced).toEqual(all);
  const second = open();
  expect(await second.store.putStreamIfAbsent('a/b/x', chunks(Buffer.from('x')))).toBe('exists');
  expect(second.synced).toEqual(all);
  const third = open();
  await third.store.settle?.('a/b/x');
  expect(third.synced).toEqual(all);
  // The folders may be those of a process that was killed when it had made them.
  const fourth = open();
  await fourth.store.put('a/b/y', Buffer.from('y'));
  await fourth.store.putIfAbsent('a/b/z', Buffer.from('z'));
  expect(fourth.synced).toEqual(['a/b', 'a', '', 'a/b']);

  const failing = openFolderStore(root, ignore, async () => {
    throw Object.assign(new Error('input/output error'), { code: 'EIO' });
  });
  for (const act of [
    () => failing.putIfAbsent('a/b/x', Buffer.from('x')),
    () => failing.putStreamIfAbsent('a/b/x', chunks(Buffer.from('x'))),
  ]) {
    await expect(act()).rejects.toMatchObject({ code: 'store-unreachable', message: /input\/output/ });
  }
});

test('symbolic links are followed, and one that leads up ends', async () => {
  const root = await makeTemporaryFolder();
  const elsewhere = await makeTemporaryFolder();
  await mkdir(join(elsewhere, 'deep'));
  await writeFile(join(elsewhere, 'deep/x'), 'x');
  await symlink(elsewhere, join(root, 'wal_005'));
  await symlink(join(elsewhere, 'deep/x'), join(root, 'z'));
  await symlink(join(elsewhere, 'missing'), join(root, 'broken'));
  const store = openFolderStore(root, ignore);
  expect(await keysOf(store.list(''))).toEqual(['wal_005/deep/x', 'z']);
  await symlink(root, join(root, 'wal_005/loop'));
  expect(await keysOf(store.list('wal_005/deep'))).toEqual(['wal_005/deep/x']);
});

test('a file replaced or cut between opening and reading is damage', async () => {
  const root = await makeTemporaryFolder();
  const store = openFolderStore(root, ignore);
  await store.put('x', Buffer.alloc(1000));
  const stream = await store.getStream('x');
  await writeFile(join(root, 'new'), 'short');
  await rename(join(root, 'new'), join(root, 'x'));
  await expect(collect(stream!.body)).rejects.toMatchObject({ code: 'object-damaged' });
});
