import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTablespaceMap, placeTablespaces } from '../../../../src/backup/fetch/tablespaces.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgarc-unit-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('parseTablespaceMap', () => {
  it('takes an oid or a directory, with escaped equal signs', () => {
    const map = parseTablespaceMap(['16384=/a', '/old/=/new', '/x\\=y=/z\\=']);
    expect([...map]).toEqual([
      ['16384', '/a'],
      ['/old', '/new'],
      ['/x=y', '/z='],
    ]);
  });

  it.each(['16384', '=/a', '16384=', 'a=b=c'])('refuses %s', (value) => {
    expect(() => parseTablespaceMap([value])).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('placeTablespaces', () => {
  const none = { map: new Map<string, string>(), root: undefined };
  const place = (found: Record<string, string>, options = {}) =>
    placeTablespaces(new Map(Object.entries(found)), { ...none, ...options }, join(folder, 'data'));

  it('prefers the mapping, then the root, then the own place', async () => {
    const own = join(folder, 'own');
    const map = new Map([
      ['2', join(folder, 'by-oid')],
      [own, join(folder, 'by-path')],
    ]);
    expect(await place({ 1: own, 2: '/somewhere', 3: '/else' }, { map, root: join(folder, 'r') })).toEqual([
      { oid: '1', from: own, to: join(folder, 'by-path') },
      { oid: '2', from: '/somewhere', to: join(folder, 'by-oid') },
      { oid: '3', from: '/else', to: join(folder, 'r/3') },
    ]);
    expect(await place({ 1: own })).toEqual([{ oid: '1', from: own, to: own }]);
  });

  it('refuses an own place that is in use, and names the option to add', async () => {
    await writeFile(join(folder, 'x'), '');
    await expect(place({ 16384: folder }, {})).rejects.toMatchObject({ exitCode: 4 });
    const own = join(folder, 'own');
    await mkdir(own);
    await writeFile(join(own, 'x'), '');
    await expect(place({ 16384: own })).rejects.toMatchObject({
      code: 'refused',
      exitCode: 4,
      hint: expect.stringContaining('--tablespace-map 16384=/new/directory'),
    });
  });

  it('refuses one place for two, and one within the data directory, also by a symlink', async () => {
    await mkdir(join(folder, 'data'));
    await symlink(join(folder, 'data'), join(folder, 'link'));
    const same = new Map([
      ['1', join(folder, 'a')],
      ['2', join(folder, 'a')],
    ]);
    await expect(place({ 1: '/x', 2: '/y' }, { map: same })).rejects.toThrow(/overlaps tablespace 1/);
    const inside = new Map([['1', join(folder, 'link/ts')]]);
    await expect(place({ 1: '/x' }, { map: inside })).rejects.toThrow(/overlaps the data directory/);
  });

  it('refuses a mapping of something that is not there', async () => {
    const map = new Map([['/nowhere', '/a']]);
    await expect(place({ 16384: '/x' }, { map })).rejects.toMatchObject({
      code: 'usage',
      hint: 'It has 16384 (/x).',
    });
  });
});
