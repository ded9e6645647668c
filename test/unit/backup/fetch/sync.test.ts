import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { syncDirectory, syncFile, syncTrees } from '../../../../src/backup/fetch/sync.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const { signal } = new AbortController();

let paths: string[];
beforeEach(async () => {
  const folder = await makeTemporaryFolder('sync');
  paths = ['data', 'ts1', 'ts2'].map((name) => join(folder, name));
  for (const path of paths) {
    await mkdir(path);
    await writeFile(join(path, 'file'), 'x');
  }
});

describe('syncTrees', () => {
  it('asks a file system once', async () => {
    const asked: unknown[] = [];
    const syncfs = async (path: unknown) => {
      asked.push(path);
      return '';
    };
    await syncTrees(paths, signal, Promise.resolve(syncfs));
    expect(asked).toEqual([paths[0]]);
  });

  it.each([
    ['EIO', 'failed'],
    ['ENOSPC', 'no-space'],
    ['EDQUOT', 'no-space'],
  ])('takes %s for what it is', async (failure, code) => {
    const syncing = syncTrees(
      paths,
      signal,
      Promise.resolve(async () => failure),
    );
    await expect(syncing).rejects.toMatchObject({ code, message: expect.stringContaining(paths[0]!) });
  });

  it.each([0, 1, 2])('goes through directory %d of a file system that cannot do it', async (gone) => {
    // One that is not there any more shows that it was looked into.
    const syncfs = async () => {
      await rm(paths[gone]!, { recursive: true });
      return 'ENOSYS';
    };
    await expect(syncTrees(paths, signal, Promise.resolve(syncfs))).rejects.toMatchObject({
      code: 'ENOENT',
      path: expect.stringContaining(paths[gone]!),
    });
  });

  it('goes through all of them where there is no such call', async () => {
    await syncTrees(paths, signal, Promise.resolve(undefined));
  });
});

describe('syncDirectory', () => {
  it.runIf(process.platform === 'linux')(
    'takes a file system that syncs no directories as it is',
    async () => {
      await expect(syncFile('/proc/self')).rejects.toMatchObject({ code: 'EINVAL' });
      await syncDirectory('/proc/self');
      await expect(syncDirectory(`${paths[0]}/none`)).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  it('leaves one out that may not be read', async (context) => {
    // Root may read everything.
    if (process.getuid?.() === 0) return context.skip();
    await chmod(paths[0]!, 0o300);
    await syncDirectory(paths[0]!).finally(() => chmod(paths[0]!, 0o700));
  });
});
