import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { refuseOccupied, requireSpace } from '../../../../src/backup/fetch/destination.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

async function makeOccupied(): Promise<string> {
  const pgdata = join(await makeTemporaryFolder(), 'my data');
  await mkdir(pgdata);
  await writeFile(join(pgdata, 'PG_VERSION'), '15\n');
  return pgdata;
}

it('hints how to move a directory away, with its name quoted for a shell', async () => {
  const pgdata = await makeOccupied();
  const { code, hint } = await refuseOccupied(pgdata);
  expect(code).toBe('directory-not-empty');
  expect(hint).toContain(`(mv '${pgdata}' '${pgdata}.old')`);
});

it('hints how to stop a server that runs there', async () => {
  const pgdata = await makeOccupied();
  await writeFile(join(pgdata, 'postmaster.pid'), `${process.pid}\n${pgdata}\n1700000000\n5432\n\n\n`);
  const { code, hint } = await refuseOccupied(pgdata);
  expect(code).toBe('server-running');
  expect(hint).toContain(`pg_ctl stop -D '${pgdata}'`);
});

it('tells how much a restore writes and how much is free', async () => {
  const path = await makeTemporaryFolder();
  const attempt = requireSpace([{ paths: [path], bytes: 1000 * 1024 ** 5 }]);
  await expect(attempt).rejects.toMatchObject({
    code: 'no-space',
    message: expect.stringMatching(/^the restore writes 1000 PiB to \S+, where [\d.]+ [KMGTP]iB are free$/),
  });
});
