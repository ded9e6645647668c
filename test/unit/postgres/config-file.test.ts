import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseEntry, readConfigured } from '../../../src/postgres/config-file.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

describe('parseEntry', () => {
  it.each([
    ["data_directory = '/a/b'", ['data_directory', '/a/b']],
    ["Data_Directory'/a'", ['data_directory', '/a']],
    ['data_directory', undefined],
    ["  data_directory '/a b'  # where it lies", ['data_directory', '/a b']],
    ['data_directory=/a#b', ['data_directory', '/a']],
    [`a.b = 'it''s \\'\\t\\101\\q'`, ['a.b', "it's '\tAq"]],
    ["#data_directory = '/a'", undefined],
    ["a = ''", ['a', '']],
    ['', undefined],
  ])('%s', (line, expected) => expect(parseEntry(line)).toEqual(expected));
});

describe('readConfigured', () => {
  async function read(files: Record<string, string>) {
    const pgdata = await makeTemporaryFolder('data');
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(pgdata, name)), { recursive: true });
      await writeFile(join(pgdata, name), text);
    }
    return readConfigured(pgdata, 'x');
  }

  it('takes the last line, and nothing where there is none', async () => {
    expect(await read({ 'postgresql.conf': "x = 1\n#x = 3\r\nX '2'\r\n" })).toBe('2');
    expect(await read({ 'postgresql.conf': 'y = 1' })).toBeUndefined();
    expect(await read({})).toBeUndefined();
  });

  it('follows what is included', async () => {
    const more = { 'conf.d/20.conf': 'x = 20', 'conf.d/10.conf': 'x = 10', 'conf.d/30.off': 'x = 30' };
    expect(await read({ 'postgresql.conf': "x = 1\ninclude_dir = 'conf.d'", ...more })).toBe('20');
    const base = { 'base/a.conf': "include_if_exists 'b.conf'", 'base/b.conf': 'x = 2' };
    expect(await read({ 'postgresql.conf': "include 'base/a.conf'\ninclude 'no.conf'", ...base })).toBe('2');
    expect(await read({ 'postgresql.conf': "x = 1\ninclude 'postgresql.conf'" })).toBe('1');
  });
});
