import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findElsewhere, formatStart } from '../../../../src/backup/fetch/elsewhere.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

it('finds what data_directory names, where that is another directory', async () => {
  const pgdata = await makeTemporaryFolder('data');
  const link = join(await makeTemporaryFolder('link'), 'data');
  await symlink(pgdata, link);
  const find = async (line: string) => {
    await writeFile(join(pgdata, 'postgresql.conf'), `${line}\n`);
    return await findElsewhere(pgdata);
  };
  expect(await find(`data_directory = '${pgdata}'`)).toBeUndefined();
  expect(await find(`data_directory = '${link}/'`)).toBeUndefined();
  expect(await find("#data_directory = '/old/data'")).toBeUndefined();
  expect(await find("data_directory = '/old/data'")).toBe('/old/data');
  expect(await find("data_directory = 'data'")).toBe('data');
});

it('quotes for both shells that read the command', () => {
  expect(formatStart('/new', undefined)).toBe('pg_ctl -D /new start');
  expect(formatStart('/new', '/old')).toBe("pg_ctl -D /new -o '-c data_directory=/new' start");
});
