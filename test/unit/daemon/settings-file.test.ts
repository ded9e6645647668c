import { open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { hasSettingsFileChanged, holdSettingsFile } from '../../../src/daemon/settings-file.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

let path: string;

beforeEach(async () => {
  path = join(await makeTemporaryFolder('etc'), 'pgarc.yaml');
});

/** All files have the same time. */
async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await utimes(file, 1, 1);
}

async function hold() {
  const file = await holdSettingsFile(path);
  onTestFinished(() => file.held?.handle.close());
  return file;
}

it('notices another file with the same time', async () => {
  await write(`${path}.a`, 'store: file:///a\n');
  await write(`${path}.b`, 'store: file:///b\n');
  await symlink(`${path}.a`, path);
  const file = await hold();
  expect(await hasSettingsFileChanged(file)).toBe(false);
  await symlink(`${path}.b`, `${path}.new`);
  await rename(`${path}.new`, path);
  expect(await hasSettingsFileChanged(file)).toBe(true);
});

it('notices other contents whose time was set back', async () => {
  await write(path, 'store: file:///a\n');
  const file = await hold();
  // Again and again: a file system may tell moments apart no better than to some ms.
  await waitFor(async () => {
    await write(path, 'store: file:///b\n');
    return hasSettingsFileChanged(file);
  });
});

it('notices a file that comes or goes', async () => {
  const none = await hold();
  expect(none.held).toBeUndefined();
  expect(await hasSettingsFileChanged(none)).toBe(false);
  await write(path, '');
  expect(await hasSettingsFileChanged(none)).toBe(true);
  const some = await hold();
  await rm(path);
  expect(await hasSettingsFileChanged(some)).toBe(true);
  // The new one cannot be the old one again, which is still open.
  const next = await open(path, 'w');
  await next.close();
  await utimes(path, 1, 1);
  expect(await hasSettingsFileChanged(some)).toBe(true);
});
