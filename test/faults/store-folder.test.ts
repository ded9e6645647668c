import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { openFolderStore } from '../../src/store/folder.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { mountTmpfs } from '../support/tmpfs.ts';
import { waitFor } from '../support/wait.ts';
import { chunks, keysOf } from '../unit/store/contract.ts';

const MIB = 1024 * 1024;

test('a full file system refuses, and nothing is left behind', async ({ skip }) => {
  const disk = await mountTmpfs(8);
  if (disk === undefined) return skip('mounting a tmpfs is not allowed here');
  await mkdir(join(disk, 'store'));
  const store = openFolderStore(join(disk, 'store'), () => undefined);
  await store.put('a/fits', randomBytes(5 * MIB));
  const large = randomBytes(5 * MIB);
  for (const act of [
    () => store.put('a/large', large),
    () => store.put('a/fits', large),
    () => store.putIfAbsent('b/large', large),
    () => store.putStream('c/large', chunks(large)),
  ]) {
    await expect(act()).rejects.toMatchObject({
      code: 'no-space',
      message: /file system is full/,
      hint: /`pgarc retain --confirm`/,
    });
  }
  expect(await keysOf(store.list(''))).toEqual(['a/fits']);
  expect(await readdir(join(disk, 'store/a'))).toEqual(['fits']);
  await store.put('a/small', randomBytes(MIB));
});

test('a writer killed at any moment leaves whole objects only, and what it left is swept', async () => {
  const root = await makeTemporaryFolder('store');
  const module = (path: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '../..', path)).href);
  const code = (round: number) => `
    const { openFolderStore } = await import(${module('src/store/folder.ts')});
    const store = openFolderStore(${JSON.stringify(root)}, () => undefined);
    for (let i = 0; ; i++) await store.put('a/${round}-' + (i % 7), Buffer.alloc(${MIB}, i));
  `;
  const store = openFolderStore(root, () => undefined);
  for (let round = 0; round < 8; round++) {
    const writer = spawn(process.execPath, ['--input-type=module', '--eval', code(round)], {
      stdio: 'inherit',
    });
    const exited = once(writer, 'exit');
    const writtenAtLeast = async (objects: number) =>
      (await keysOf(store.list(`a/${round}-`))).length >= objects;
    // At another moment each time.
    await waitFor(() => writtenAtLeast(1 + (round % 7)), { interval: 1 });
    writer.kill('SIGKILL');
    await exited;
    for (const key of await keysOf(store.list(''))) {
      const body = await store.get(key);
      expect(body?.length).toBe(MIB);
      expect(body?.every((byte) => byte === body[0])).toBe(true);
    }
  }
  await store.sweep(new Date(Date.now() + 60_000));
  expect((await readdir(join(root, 'a'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
