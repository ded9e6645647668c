import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type FetchOptions, fetchBackup } from '../../../../src/backup/fetch/fetch.ts';
import { MARK } from '../../../../src/backup/fetch/mark.ts';
import { PgarcError } from '../../../../src/errors.ts';
import type { PgarcEvent } from '../../../../src/report/events.ts';
import { openFolderStore } from '../../../../src/store/folder.ts';
import type { ObjectStore } from '../../../../src/store/store.ts';
import { SAMPLE, SAMPLE_FULL } from '../../../integration/sample.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { mountTmpfsAt } from '../../../support/tmpfs.ts';

const { signal } = new AbortController();
const sample = openFolderStore(SAMPLE, () => undefined);

let folder: string;
let pgdata: string;
let place: string;
beforeEach(async () => {
  folder = await makeTemporaryFolder('fetch');
  pgdata = join(folder, 'data');
  place = join(folder, 'ts/16384');
});

/** The sample; `atParts` and `atPart` run when the parts are listed, and before one is read. */
function storeThat(moments: {
  atParts?: () => Promise<unknown>;
  atPart?: () => Promise<unknown>;
}): ObjectStore {
  return {
    ...sample,
    async *list(prefix, options) {
      if (prefix.includes('tar_partitions')) await moments.atParts?.();
      yield* sample.list(prefix, options);
    },
    async getStream(key, options) {
      if (key.includes('/part_')) await moments.atPart?.();
      return await sample.getStream(key, options);
    },
  };
}

function fetch(store: ObjectStore, events: PgarcEvent[] = []) {
  const options: FetchOptions = {
    ...{ pgdata, name: SAMPLE_FULL, mode: 'recovery', action: 'pause' },
    ...{ target: { kind: 'none' }, timeline: 'latest', restoreCommand: 'false', concurrency: 4 },
    tablespaces: { map: new Map(), root: join(folder, 'ts') },
  };
  return fetchBackup({ store, emit: (event) => events.push(event) }, options, signal);
}

const countFiles = async (directory: string) => (await readdir(directory, { recursive: true })).length;

describe('two restores into one directory', () => {
  it('become one: the second is told, and the first is whole', async () => {
    const alone = await fetch(sample).then(() => countFiles(folder));
    folder = await makeTemporaryFolder('fetch');
    pgdata = join(folder, 'data');

    const lists = Promise.withResolvers<void>();
    const holds = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    // Both have found the directory absent before the first takes it, which ends after the second.
    const atPart = async () => {
      holds.resolve();
      await over.promise;
    };
    const first = fetch(storeThat({ atParts: () => lists.promise, atPart }));
    const atParts = async () => {
      lists.resolve();
      await holds.promise;
    };
    const second = fetch(storeThat({ atParts })).finally(() => over.resolve());
    await expect(second).rejects.toMatchObject({ code: 'locked', exitCode: 6 });
    await first;
    expect(await countFiles(folder)).toBe(alone);
    expect([...(await readdir(pgdata)), ...(await readdir(join(folder, 'ts/16384')))]).not.toContain(MARK);
  });

  it('are told of at once when the first has begun', async () => {
    const holds = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const atPart = async () => {
      holds.resolve();
      await over.promise;
    };
    const first = fetch(storeThat({ atPart }));
    await holds.promise;
    const atParts = () => expect.unreachable('the second asks the store');
    await expect(fetch(storeThat({ atParts }))).rejects.toMatchObject({ code: 'locked', exitCode: 6 });
    over.resolve();
    await first;
  });
});

describe('what comes into a directory while the catalog is read', () => {
  it.each([
    ['the data directory', () => pgdata, 'directory-not-empty'],
    ['a tablespace', () => place, 'refused'],
  ])('of %s stays, and the restore is refused', async (_, directory, code) => {
    const atParts = async () => {
      await mkdir(directory(), { recursive: true });
      await writeFile(join(directory(), 'precious'), 'x');
    };
    await expect(fetch(storeThat({ atParts }))).rejects.toMatchObject({ code, exitCode: 4 });
    expect(await readdir(directory())).toEqual(['precious']);
  });
});

describe('a restore that fails', () => {
  const damage = () => new PgarcError('object-damaged', 'part_001 is damaged');

  it('says why even when it cannot remove all it made', async (context) => {
    let unmount: (() => Promise<void>) | undefined;
    const atPart = async () => {
      await mkdir(join(pgdata, 'busy'), { recursive: true });
      unmount ??= await mountTmpfsAt(join(pgdata, 'busy'));
      throw damage();
    };
    const events: PgarcEvent[] = [];
    await expect(fetch(storeThat({ atPart }), events)).rejects.toMatchObject({ code: 'object-damaged' });
    if (unmount === undefined) return context.skip();
    expect(events).toContainEqual({
      type: 'warning',
      message: expect.stringContaining('EBUSY'),
      hint: expect.stringContaining(`rm -r ${pgdata}`),
    });
    expect((await readdir(pgdata)).sort()).toEqual(['busy', MARK]);
    expect(existsSync(join(folder, 'ts'))).toBe(false);
    await unmount();
  });

  it('leaves what others made beside it', async () => {
    pgdata = join(folder, 'restore/a/data');
    const atPart = async () => {
      await mkdir(join(folder, 'restore/b'), { recursive: true });
      throw damage();
    };
    await expect(fetch(storeThat({ atPart }))).rejects.toMatchObject({ code: 'object-damaged' });
    expect(await readdir(folder, { recursive: true })).toEqual(['restore', 'restore/b']);
  });
});
