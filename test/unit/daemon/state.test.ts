import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readState, removeState, writeState } from '../../../src/daemon/state.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const STATE = {
  pid: 4711,
  lockFd: 20,
  controlFd: 21,
  settingsFd: undefined,
  pgdata: '/var/lib/my data',
  fingerprint: 'abc',
};

async function choosePath(): Promise<string> {
  return join(await makeTemporaryFolder(), 'daemon.state');
}

it('is read as it was written, until it is removed', async () => {
  const path = await choosePath();
  await writeState(path, STATE);
  expect(await readState(path)).toEqual({ pid: 4711, pgdata: '/var/lib/my data' });
  await removeState(path);
  await removeState(path);
  expect(await readState(path)).toBeUndefined();
});

it('is not written for a path with a line break', async () => {
  const path = await choosePath();
  await writeState(path, { ...STATE, pgdata: '/a\nb' });
  expect(await readState(path)).toBeUndefined();
});

it.each(['', 'x\n/data\n', '0 1 2 -\n/data\n', '4711'])('means nothing when it holds %j', async (text) => {
  const path = await choosePath();
  await writeFile(path, text);
  expect(await readState(path)).toBeUndefined();
});
