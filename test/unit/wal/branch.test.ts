import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBranch, isProof, mayBeLeft } from '../../../src/wal/branch.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const SIZE = 16 * 1024 * 1024;
const HISTORY_2 = '1\t0/E000148\tno recovery target specified\n';
const HISTORY_3 = `${HISTORY_2}2\t0/10000000\tno recovery target specified\n`;

/** A segment of the number of `name`, of these timelines. */
const under = (name: string, ...timelines: number[]) =>
  timelines.map((timeline) => `${String(timeline).padStart(8, '0')}${name.slice(8)}`);

const IN_2 = { switchLsn: 0xe000148n, followed: 2, ownBytes: 0x148 };

/** History files by timeline, the segment, timelines under which its number was asked for and missed before. */
const CASES: [string, Record<number, string>, string, number[], object | undefined][] = [
  ['nothing newer is known', {}, '00000001000000000000000E', [2], undefined],
  ['left inside of it', { 2: HISTORY_2 }, '00000001000000000000000E', [2], IN_2],
  ['a history that was read and rejected', { 2: HISTORY_2 }, '00000001000000000000000E', [], undefined],
  ['a rejected one, left before it', { 2: HISTORY_2 }, '00000001000000000000000F', [], undefined],
  ['left after it', { 2: HISTORY_2 }, '00000001000000000000000D', [2], undefined],
  [
    'left before it',
    { 2: HISTORY_2 },
    '00000001000000000000000F',
    [2],
    { switchLsn: 0xe000148n, followed: 2, ownBytes: 0 },
  ],
  [
    'left where it begins',
    { 3: HISTORY_3 },
    '000000020000000000000010',
    [3],
    { switchLsn: 0x10000000n, followed: 3, ownBytes: 0 },
  ],
  ['of the timeline followed', { 2: HISTORY_2 }, '00000002000000000000000E', [], undefined],
  [
    'the newest begins in a later segment, and its parent was asked for',
    { 2: HISTORY_2, 3: HISTORY_3 },
    '00000001000000000000000E',
    [2],
    { switchLsn: 0xe000148n, followed: 3, ownBytes: 0x148 },
  ],
  [
    'an old server asks for that one too',
    { 2: HISTORY_2, 3: HISTORY_3 },
    '00000001000000000000000E',
    [3, 2],
    { switchLsn: 0xe000148n, followed: 3, ownBytes: 0x148 },
  ],
  [
    'both newer ones were asked for',
    { 2: HISTORY_2, 3: HISTORY_3 },
    '000000010000000000000010',
    [3, 2],
    { switchLsn: 0xe000148n, followed: 3, ownBytes: 0 },
  ],
  [
    'the newest was asked for, and its parent, which begins before, was not',
    { 2: HISTORY_2, 3: HISTORY_3 },
    '000000010000000000000010',
    [3],
    undefined,
  ],
  [
    'the newest does not lead over a timeline that was asked for',
    { 3: '1\t0/C000148\tnone\n', 2: HISTORY_2 },
    '00000001000000000000000E',
    [2],
    IN_2,
  ],
  [
    'its sister is followed, the one rejected is older',
    { 2: '1\t0/C000148\tnone\n', 3: '1\t0/E000148\tnone\n' },
    '00000001000000000000000E',
    [3],
    { switchLsn: 0xe000148n, followed: 3, ownBytes: 0x148 },
  ],
  [
    'of a timeline that was left before its successor’s parent began',
    { 3: '1\t0/E000148\tnone\n2\t0/C000148\tafter LSN 0/C000120\n' },
    '00000001000000000000000C',
    [3],
    { switchLsn: 0xc000148n, followed: 3, ownBytes: 0x148 },
  ],
  ['of a timeline that is no ancestor', { 3: HISTORY_2 }, '00000002000000000000000E', [3], undefined],
  [
    'when recovery goes to an older one than the newest',
    { 2: HISTORY_2, 3: HISTORY_3 },
    '000000020000000000000010',
    [],
    undefined,
  ],
  ['a history that cannot be read', { 2: 'rubbish' }, '00000001000000000000000E', [2], undefined],
];

async function makeCluster(histories: Record<number, string>): Promise<string> {
  const pgdata = await makeTemporaryFolder('branch');
  await mkdir(join(pgdata, 'pg_wal'));
  for (const [timeline, text] of Object.entries(histories)) {
    await writeFile(join(pgdata, `pg_wal/${timeline.padStart(8, '0')}.history`), text);
  }
  return pgdata;
}

test.each(CASES)('what of a segment is the server’s: %s', async (_, histories, name, asked, wanted) => {
  const pgdata = await makeCluster(histories);
  await writeFile(join(pgdata, 'recovery.signal'), '');
  expect(await findBranch(pgdata, name, SIZE, under(name, ...asked))).toEqual(wanted);
});

test('what was asked for of another segment proves nothing', async () => {
  const pgdata = await makeCluster({ 2: HISTORY_2 });
  await writeFile(join(pgdata, 'standby.signal'), '');
  const name = '00000001000000000000000F';
  for (const asked of ['00000002000000000000000E', '00000001000000000000000F', 'x']) {
    expect(await findBranch(pgdata, name, SIZE, [asked])).toBeUndefined();
    expect(await findBranch(pgdata, name, SIZE, [...under(name, 2), asked])).toBeUndefined();
  }
});

test('a server that does not recover has no branch', async () => {
  const pgdata = await makeCluster({ 2: HISTORY_2 });
  const name = '00000001000000000000000F';
  expect(await findBranch(pgdata, name, SIZE, under(name, 2))).toBeUndefined();
  await writeFile(join(pgdata, 'standby.signal'), '');
  expect(await findBranch(pgdata, name, SIZE, under(name, 2))).toMatchObject({ ownBytes: 0 });
});

test('whether a request can prove a history', async () => {
  const pgdata = await makeCluster({ 3: HISTORY_3 });
  const proofs = async (...names: string[]) => Promise.all(names.map((name) => isProof(pgdata, name, SIZE)));
  expect(
    await proofs(
      '00000001000000000000000F',
      '00000002000000000000000D',
      '00000002000000000000000E',
      '00000003000000000000000E',
      '00000004000000000000000E',
    ),
  ).toEqual([false, false, true, true, false]);
});

test('whether any history leaves a timeline, and from where on', async () => {
  const pgdata = await makeCluster({ 3: HISTORY_3, 2: HISTORY_2, 4: '1\t0/11000000\tnone\n' });
  const left = (name: string, from = 0n) => mayBeLeft(pgdata, name, SIZE, from);
  expect(await left('00000001000000000000000D')).toBe(false);
  expect(await left('00000001000000000000000E')).toBe(true);
  expect(await left('000000010000000000000010', 0xf000000n)).toBe(false);
  expect(await left('000000010000000000000011', 0xf000000n)).toBe(true);
  expect(await left('00000002000000000000000F')).toBe(false);
  expect(await left('000000020000000000000010')).toBe(true);
  expect(await left('000000030000000000000010')).toBe(false);
});
