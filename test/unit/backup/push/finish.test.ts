import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { claimBackup } from '../../../../src/backup/push/claim.ts';
import { type Copied, type FinishDeps, finishBackup } from '../../../../src/backup/push/finish.ts';
import { requireTablespaces } from '../../../../src/backup/push/walk.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { MemoryStore } from '../memory-store.ts';

const NAME = 'base_000000010000000000000002';
const { signal } = new AbortController();

async function makeLinks(...oids: string[]): Promise<string> {
  const pgdata = await makeTemporaryFolder('data');
  await mkdir(join(pgdata, 'pg_tblspc'));
  for (const oid of oids) await symlink('/ts', join(pgdata, 'pg_tblspc', oid));
  return pgdata;
}

it('no backup comes to be that lacks a tablespace of the server', async () => {
  const dataDir = await makeLinks('16384', '16385');
  const store = new MemoryStore();
  const claim = (await claimBackup(store, NAME, { dataDir, systemIdentifier: 7n }, signal))!;
  const before = [...store.objects.keys()];
  const walk = { tablespaces: [{ oid: '16384', location: '/ts' }] };
  const options = { claim, timeline: 1, startLsn: 0x2000028n, startTime: new Date(), dataDir };
  await expect(
    finishBackup(
      { store } as unknown as FinishDeps,
      { walk } as unknown as Copied,
      { stopLsn: 0x2000100n, backupLabel: '', tablespaceMap: '16384 /ts\n16385 /ts\n' },
      { ...options, permanent: false, archiveTimeout: 1, version: '0' },
      signal,
    ),
  ).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('tablespace 16385') });
  expect([...store.objects.keys()]).toEqual(before);
});

it('a tablespace may be dropped or made during a backup', async () => {
  const pgdata = await makeLinks('16384', '16386');
  const walked = ['16384', '16386'].map((oid) => ({ oid, location: '/ts' }));
  // 16385 was dropped, 16386 made, before the walk; 16384 is dropped after it.
  expect(() => requireTablespaces(pgdata, walked, ['16384', '16385'])).not.toThrow();
  expect(() => requireTablespaces(pgdata, [], ['16384'])).toThrow('tablespace 16384');
});
