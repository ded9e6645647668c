import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBranch } from '../../../src/wal/branch.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const SIZE = 16 * 1024 * 1024;
const HISTORY_2 = '1\t0/E000148\tno recovery target specified\n';
const HISTORY_3 = `${HISTORY_2}2\t0/10000000\tno recovery target specified\n`;

const CASES: [string, Record<string, string>, string, object | undefined][] = [
  ['nothing newer is known', {}, '00000001000000000000000E', undefined],
  [
    'left inside of it',
    { 'pg_wal/00000002.history': HISTORY_2 },
    '00000001000000000000000E',
    { switchLsn: 0xe000148n, followed: 2, ownBytes: 0x148 },
  ],
  ['left after it', { 'pg_wal/00000002.history': HISTORY_2 }, '00000001000000000000000D', undefined],
  [
    'left before it',
    { 'pg_wal/00000002.history': HISTORY_2 },
    '00000001000000000000000F',
    { switchLsn: 0xe000148n, followed: 2, ownBytes: 0 },
  ],
  [
    'left where it begins',
    { 'pg_wal/00000003.history': HISTORY_3 },
    '000000020000000000000010',
    { switchLsn: 0x10000000n, followed: 3, ownBytes: 0 },
  ],
  [
    'of the timeline followed',
    { 'pg_wal/00000002.history': HISTORY_2 },
    '00000002000000000000000E',
    undefined,
  ],
  [
    'of a grandparent',
    { 'pg_wal/00000003.history': HISTORY_3, 'pg_wal/00000002.history': HISTORY_2 },
    '00000001000000000000000E',
    { switchLsn: 0xe000148n, followed: 3, ownBytes: 0x148 },
  ],
  [
    'of a timeline that was left before its successor’s parent began',
    { 'pg_wal/00000003.history': '1\t0/E000148\tnone\n2\t0/C000148\tafter LSN 0/C000120\n' },
    '00000001000000000000000C',
    { switchLsn: 0xc000148n, followed: 3, ownBytes: 0x148 },
  ],
  [
    'of a timeline that is no ancestor',
    { 'pg_wal/00000003.history': HISTORY_2 },
    '00000002000000000000000E',
    undefined,
  ],
  [
    'when recovery goes to that timeline by number',
    { 'pg_wal/00000002.history': HISTORY_2, 'postgresql.auto.conf': "recovery_target_timeline = '1'\n" },
    '00000001000000000000000E',
    undefined,
  ],
  [
    'when recovery goes to an older one than the newest',
    {
      'pg_wal/00000003.history': HISTORY_3,
      'pg_wal/00000002.history': HISTORY_2,
      'postgresql.conf': "recovery_target_timeline = '3'\nrecovery_target_timeline = '2'\n",
    },
    '000000020000000000000010',
    undefined,
  ],
  [
    'the last setting wins, and auto.conf over all',
    {
      'pg_wal/00000002.history': HISTORY_2,
      'postgresql.conf': "recovery_target_timeline = '1'\n",
      'postgresql.auto.conf': "recovery_target_timeline = 'latest'\n",
    },
    '00000001000000000000000E',
    { switchLsn: 0xe000148n, followed: 2, ownBytes: 0x148 },
  ],
  [
    'a comment is no setting',
    { 'pg_wal/00000002.history': HISTORY_2, 'postgresql.conf': "#recovery_target_timeline = '1'\n" },
    '00000001000000000000000E',
    { switchLsn: 0xe000148n, followed: 2, ownBytes: 0x148 },
  ],
  [
    'a history that cannot be read',
    { 'pg_wal/00000002.history': 'rubbish' },
    '00000001000000000000000E',
    undefined,
  ],
];

test.each(CASES)('what of a segment is the server’s: %s', async (_, files, name, wanted) => {
  const pgdata = await makeTemporaryFolder('branch');
  await mkdir(join(pgdata, 'pg_wal'));
  await writeFile(join(pgdata, 'recovery.signal'), '');
  for (const [path, text] of Object.entries(files)) await writeFile(join(pgdata, path), text);
  expect(await findBranch(pgdata, name, SIZE)).toEqual(wanted);
});

test('a server that does not recover has no branch', async () => {
  const pgdata = await makeTemporaryFolder('branch');
  await mkdir(join(pgdata, 'pg_wal'));
  await writeFile(join(pgdata, 'pg_wal/00000002.history'), HISTORY_2);
  expect(await findBranch(pgdata, '00000001000000000000000F', SIZE)).toBeUndefined();
  await writeFile(join(pgdata, 'standby.signal'), '');
  expect(await findBranch(pgdata, '00000001000000000000000F', SIZE)).toMatchObject({ ownBytes: 0 });
});
