import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import * as hold from '../../../../src/backup/fetch/hold.ts';
import { formatMark, MARK, parseMark } from '../../../../src/backup/fetch/mark.ts';
import { leaveDirectory, requireUntaken, takeDirectory } from '../../../../src/backup/fetch/taken.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { mountTmpfsAt } from '../../../support/tmpfs.ts';

let folder: string;
let pgdata: string;
let place: string;
beforeEach(async () => {
  folder = await makeTemporaryFolder('hold');
  pgdata = join(folder, 'deep/data');
  place = join(folder, 'ts/fast');
});

const holdDirectory = (path: string) => hold.holdDirectory(path, 'remove');
const requireFreeDirectory = (path: string) => hold.requireFreeDirectory(path, 'remove');
/** Nothing is told where all can be removed. */
const untold = (event: unknown) => expect.unreachable(JSON.stringify(event));

const tablespace = () => ({ oid: '16384', from: place, to: place });

/** What a killed restore leaves: everything but the lock, which went with its process. */
async function leaveRemains({ control = false, mark = formatMark({ id: 'a' }) } = {}): Promise<void> {
  await mkdir(join(pgdata, 'base/1'), { recursive: true });
  await mkdir(join(pgdata, 'global'));
  await mkdir(join(pgdata, 'pg_tblspc'));
  await mkdir(place, { recursive: true });
  await writeFile(join(pgdata, MARK), mark);
  await writeFile(join(pgdata, 'base/1/1'), 'x');
  await writeFile(join(place, 'table'), 'x');
  await symlink(place, join(pgdata, 'pg_tblspc/16384'));
  if (control) await writeFile(join(pgdata, 'global/pg_control'), 'x');
}

describe('a directory that is held', () => {
  it('has a mark while it is filled, in tablespaces too, and none when it is whole', async () => {
    const held = await holdDirectory(pgdata);
    expect(held.hadRemains).toBe(false);
    await held.note([tablespace()]);
    const mark = parseMark(await readFile(join(pgdata, MARK), 'utf8'));
    expect(mark?.tablespaces).toEqual([place]);
    expect(parseMark(await readFile(join(place, MARK), 'utf8'))?.id).toBe(mark?.id);
    await writeFile(join(pgdata, 'file'), 'x');
    await writeFile(join(place, 'file'), 'x');
    await held.finish();
    expect(await readdir(pgdata)).toEqual(['file']);
    expect(await readdir(place)).toEqual(['file']);
  });

  it('is taken away with all that was made for it when the restore fails', async () => {
    await mkdir(folder, { recursive: true });
    const held = await holdDirectory(pgdata);
    await held.note([tablespace()]);
    await writeFile(join(pgdata, 'file'), 'x');
    await writeFile(join(place, 'file'), 'x');
    await held.abandon(untold);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stays, empty, when it was there before', async () => {
    await mkdir(pgdata, { recursive: true });
    await mkdir(place, { recursive: true });
    const held = await holdDirectory(pgdata);
    await held.note([tablespace()]);
    await writeFile(join(pgdata, 'file'), 'x');
    await held.abandon(untold);
    expect(await readdir(pgdata)).toEqual([]);
    expect(await readdir(place)).toEqual([]);
  });

  it('may have tablespaces side by side, of which all goes that was made for them', async () => {
    const places = ['ts/1', 'ts/2', 'deep/ts'].map((name) => join(folder, name));
    const held = await holdDirectory(pgdata);
    await held.note(places.map((to, oid) => ({ oid: String(oid), from: to, to })));
    for (const path of places) await writeFile(join(path, 'file'), 'x');
    await held.abandon(untold);
    expect(await readdir(folder)).toEqual([]);
  });

  it('may be the place of a mount, and so may a tablespace', async (context) => {
    const unmounts: (() => Promise<void>)[] = [];
    for (const path of [pgdata, place]) {
      await mkdir(path, { recursive: true });
      const unmount = await mountTmpfsAt(path);
      if (unmount === undefined) return context.skip();
      unmounts.push(unmount);
    }
    for (const end of ['abandon', 'finish'] as const) {
      const held = await holdDirectory(pgdata);
      await held.note([tablespace()]);
      await (end === 'abandon' ? held.abandon(untold) : held.finish());
      expect([...(await readdir(pgdata)), ...(await readdir(place))]).toEqual([]);
    }
    for (const unmount of unmounts) await unmount();
  });

  it('is not given to a second process', async () => {
    const held = await holdDirectory(pgdata);
    const busy = await holdDirectory(pgdata).catch((error: unknown) => error);
    expect(busy).toMatchObject({
      code: 'locked',
      message: expect.stringMatching(/another pgarc/),
      hint: `Wait until process ${process.pid} has ended, or end it.`,
    });
    // The lock's own error speaks of daemons, and a cause is shown.
    expect(busy).not.toMatchObject({ cause: expect.anything() });
    await writeFile(join(pgdata, 'file'), 'x');
    await expect(holdDirectory(pgdata)).rejects.toMatchObject({ code: 'locked' });
    expect(existsSync(join(pgdata, 'file'))).toBe(true);
    await held.abandon(untold);
    await (await holdDirectory(pgdata)).abandon(untold);
  });
});

describe('where there are no locks', () => {
  const none = async () => false;

  it('a directory is not given to a second process either, and to a later one', async () => {
    const first = await takeDirectory(pgdata, undefined, none);
    const again = takeDirectory(pgdata, undefined, none);
    await expect(again).rejects.toMatchObject({ code: 'locked', hint: expect.stringContaining(MARK) });
    await expect(requireUntaken(pgdata, none)).rejects.toMatchObject({ code: 'locked' });
    await leaveDirectory(first);
    expect(existsSync(pgdata)).toBe(false);
    await leaveDirectory(await takeDirectory(pgdata, undefined, none));
  });
});

describe('what others put there', () => {
  it('above a directory that was made stays when the restore fails', async () => {
    const neighbour = join(folder, 'deep/neighbour');
    const held = await holdDirectory(pgdata);
    await held.note([tablespace()]);
    await mkdir(neighbour);
    await writeFile(join(folder, 'ts/file'), 'x');
    await held.abandon(untold);
    expect(await readdir(folder, { recursive: true })).toEqual(
      expect.arrayContaining(['deep', 'deep/neighbour', 'ts', 'ts/file']),
    );
    expect(existsSync(pgdata) || existsSync(place)).toBe(false);
  });

  it('into a tablespace since that was looked at stays, and no mark with it', async () => {
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'table'), 'x');
    const held = await holdDirectory(pgdata);
    await expect(held.note([tablespace()])).rejects.toMatchObject({ code: 'refused' });
    await held.abandon(untold);
    expect(await readdir(place)).toEqual(['table']);
  });

  it('is another restore with the same tablespace, which goes on', async () => {
    const held = await holdDirectory(pgdata);
    await held.note([tablespace()]);
    await writeFile(join(place, 'table'), 'x');
    const second = await holdDirectory(join(folder, 'second'));
    await expect(second.note([tablespace()])).rejects.toMatchObject({ code: 'locked' });
    await second.abandon(untold);
    expect(existsSync(join(folder, 'second'))).toBe(false);
    await held.finish();
    expect(await readdir(place)).toEqual(['table']);
  });

  it('in the place of a directory that vanished stays when the restore fails', async () => {
    const held = await holdDirectory(pgdata);
    await rm(pgdata, { recursive: true });
    await mkdir(join(pgdata, 'global'), { recursive: true });
    await writeFile(join(pgdata, 'global/pg_control'), 'x');
    await held.abandon(untold);
    expect(existsSync(join(pgdata, 'global/pg_control'))).toBe(true);
  });
});

describe('what cannot be removed', () => {
  it('is told, and all else is removed, pg_control too', async (context) => {
    const held = await holdDirectory(pgdata);
    await held.note([tablespace()]);
    await mkdir(join(pgdata, 'global/mount'), { recursive: true });
    const unmount = await mountTmpfsAt(join(pgdata, 'global/mount'));
    if (unmount === undefined) return context.skip();
    for (const path of ['global/pg_control', 'PG_VERSION']) await writeFile(join(pgdata, path), 'x');
    await writeFile(join(place, 'table'), 'x');
    const told: unknown[] = [];
    await held.abandon((event) => told.push(event));
    expect(told).toEqual([
      {
        type: 'warning',
        message: expect.stringContaining('EBUSY'),
        hint: expect.stringContaining(`rm -r ${pgdata}`),
      },
    ]);
    expect((await readdir(pgdata, { recursive: true })).sort()).toEqual(['global', 'global/mount', MARK]);
    expect(existsSync(place)).toBe(false);
    await unmount();
    await (await holdDirectory(pgdata)).abandon(untold);
    expect(await readdir(pgdata)).toEqual([]);
  });
});

describe('what a killed attempt left', () => {
  it('is removed, tablespaces with its mark included', async () => {
    await leaveRemains({ mark: formatMark({ id: 'a' }) + formatMark({ tablespaces: [place] }) });
    await writeFile(join(place, MARK), formatMark({ id: 'a' }));
    await requireFreeDirectory(pgdata);
    const held = await holdDirectory(pgdata);
    expect(held.hadRemains).toBe(true);
    expect(await readdir(pgdata)).toEqual([MARK]);
    expect(await readdir(place)).toEqual([]);
    await held.abandon(untold);
    expect(await readdir(pgdata)).toEqual([]);
  });

  it.each([
    ['of another attempt', formatMark({ id: 'b' })],
    ['that cannot be read', 'torn'],
    ['that is not there', undefined],
  ])('in a tablespace with a mark %s is not touched', async (_, content) => {
    await leaveRemains({ mark: formatMark({ id: 'a' }) + formatMark({ tablespaces: [place] }) });
    if (content !== undefined) await writeFile(join(place, MARK), content);
    await (await holdDirectory(pgdata)).abandon(untold);
    expect(existsSync(join(place, 'table'))).toBe(true);
  });

  it('stays where it shall not be removed, with a word on what to do', async () => {
    await leaveRemains({ mark: formatMark({ id: 'a' }) + formatMark({ tablespaces: [place, folder] }) });
    await writeFile(join(place, MARK), formatMark({ id: 'a' }));
    const before = await readdir(folder, { recursive: true });
    for (const attempt of [hold.requireFreeDirectory, hold.holdDirectory]) {
      await expect(attempt(pgdata, 'refuse')).rejects.toMatchObject({
        code: 'directory-not-empty',
        message: expect.stringContaining('a restore into it was killed'),
        hint: expect.stringMatching(`rm -r ${pgdata} ${place}$`),
      });
    }
    expect(await readdir(folder, { recursive: true })).toEqual(before);
  });

  it('behind a torn list of tablespaces is removed all the same', async () => {
    await leaveRemains({ mark: `${formatMark({ id: 'a' })}{"tablespaces":["/et` });
    await (await holdDirectory(pgdata)).abandon(untold);
    expect(await readdir(pgdata)).toEqual([]);
    expect(existsSync(join(place, 'table'))).toBe(true);
  });

  it('is nothing when only an empty mark was made', async () => {
    await mkdir(pgdata, { recursive: true });
    await writeFile(join(pgdata, MARK), '');
    await requireFreeDirectory(pgdata);
    await (await holdDirectory(pgdata)).abandon(untold);
    expect(await readdir(pgdata)).toEqual([]);
  });
});

describe('a directory is refused and left as it is', () => {
  async function expectRefused(): Promise<void> {
    const before = await readdir(pgdata, { recursive: true });
    for (const attempt of [requireFreeDirectory, holdDirectory]) {
      await expect(attempt(pgdata)).rejects.toMatchObject({ code: 'directory-not-empty' });
    }
    expect(await readdir(pgdata, { recursive: true })).toEqual(before);
  }

  it('with anything in it', async () => {
    await mkdir(pgdata, { recursive: true });
    await writeFile(join(pgdata, 'PG_VERSION'), '15');
    await expectRefused();
  });

  it('with a whole cluster in it, even beside a mark', async () => {
    await leaveRemains({ control: true });
    await expectRefused();
  });

  it.each(['', 'torn', '{"id":""}\n', '[]\n', 'null\n'])(
    'with a mark that says nothing: %j',
    async (mark) => {
      await leaveRemains({ mark });
      await expectRefused();
    },
  );
});
