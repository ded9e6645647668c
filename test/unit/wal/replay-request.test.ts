import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { classifyWalFile } from '../../../src/wal/file-name.ts';
import { ReplayRequest } from '../../../src/wal/replay-request.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const SIZE = 16 * 1024 * 1024;
const HISTORY_2 = '1\t0/E000148\tno recovery target specified\n';
const HISTORY_3 = `${HISTORY_2}2\t0/F000148\tno recovery target specified\n`;

let pgdata: string;
let spool: string;
let events: PgarcEvent[];

beforeEach(async () => {
  const folder = await makeTemporaryFolder('replay');
  [pgdata, spool, events] = [join(folder, 'data'), join(folder, 'spool'), []];
  await mkdir(join(pgdata, 'pg_wal'), { recursive: true });
  await writeFile(join(pgdata, 'standby.signal'), '');
  await start(1000);
});

const seg = (timeline: number, number: number) =>
  `0000000${timeline}00000000000000${number.toString(16).toUpperCase().padStart(2, '0')}`;
const keep = (timeline: number, text: string) =>
  writeFile(join(pgdata, `pg_wal/0000000${timeline}.history`), text);
const start = (time: number) =>
  writeFile(join(pgdata, 'postmaster.pid'), `42\n${pgdata}\n${time}\n5432\n\n\n`);
const notes = () => readdir(spool).catch(() => []);

function begin(name: string, more: { spool?: string; pgdata?: string } = {}): Promise<ReplayRequest> {
  const emit = (event: PgarcEvent) => {
    events.push(event);
  };
  const deps = { spool: more.spool ?? spool, emit };
  return ReplayRequest.begin(deps, classifyWalFile(name)!, {
    pgdata: more.pgdata ?? pgdata,
    segmentSize: SIZE,
  });
}

async function miss(name: string): Promise<boolean> {
  return (await begin(name)).refused();
}

it('believes a history that replay asked for first, and no other', async () => {
  await keep(2, HISTORY_2);
  expect((await begin(seg(1, 15))).branch).toBeUndefined();
  expect(await miss(seg(2, 15))).toBe(true);
  expect((await begin(seg(1, 15))).branch).toMatchObject({ followed: 2, ownBytes: 0 });
  expect((await begin(seg(1, 14))).branch).toBeUndefined();
});

it('puts what was asked for of one segment together', async () => {
  await keep(2, HISTORY_2);
  await keep(3, HISTORY_3);
  await miss(seg(3, 15));
  expect((await begin(seg(1, 15))).branch).toBeUndefined();
  const middle = await begin(seg(2, 15));
  expect(middle.branch).toMatchObject({ followed: 3, ownBytes: 0x148 });
  await middle.refused();
  expect((await begin(seg(1, 15))).branch).toMatchObject({ followed: 3, ownBytes: 0 });
  // The next segment begins anew.
  await miss(seg(3, 16));
  expect((await begin(seg(1, 15))).branch).toBeUndefined();
  expect((await begin(seg(1, 16))).branch).toBeUndefined();
});

it('writes only what can prove something, and only once', async () => {
  expect(await miss(seg(2, 15))).toBe(false);
  await keep(2, HISTORY_2);
  expect(await miss(seg(1, 15))).toBe(false);
  expect(await miss(seg(2, 13))).toBe(false);
  await (await begin(seg(2, 15))).granted();
  expect(await notes()).toEqual([]);
  await miss(seg(2, 15));
  const [note = ''] = await notes();
  const { ino, mtimeNs } = await stat(join(spool, note), { bigint: true });
  for (const name of [seg(1, 15), '00000003.history', seg(2, 15)]) await miss(name);
  expect(await stat(join(spool, note), { bigint: true })).toMatchObject({ ino, mtimeNs });
  expect((await begin(seg(1, 15))).branch).toBeDefined();
});

it('forgets with the next file that replay gets, or may find', async () => {
  await keep(2, HISTORY_2);
  for (const end of [
    async () => (await begin(seg(2, 15))).granted(),
    async () => (await begin(seg(1, 13))).granted(),
    async () => (await begin('00000003.history')).granted(),
    // A walreceiver has brought it.
    async () => {
      await keep(3, HISTORY_3);
      await miss('00000003.history');
    },
    // Another life of the server.
    () => start(2000),
  ]) {
    await miss(seg(2, 15));
    expect((await begin(seg(1, 15))).branch).toBeDefined();
    await end();
    expect((await begin(seg(1, 15))).branch).toBeUndefined();
  }
});

it('keeps what it has while replay waits in the segment of the switch', async () => {
  await keep(2, HISTORY_2);
  await miss(seg(2, 14));
  await (await begin(seg(1, 14))).granted();
  expect((await begin(seg(1, 14))).branch).toMatchObject({ followed: 2, ownBytes: 0x148 });
});

it('knows a data directory by its real path, and keeps servers apart', async () => {
  await keep(2, HISTORY_2);
  await symlink(pgdata, `${pgdata}.link`);
  await (await begin(seg(2, 15), { pgdata: `${pgdata}.link` })).refused();
  expect((await begin(seg(1, 15))).branch).toBeDefined();
  const other = await makeTemporaryFolder('other');
  await mkdir(join(other, 'pg_wal'));
  for (const name of ['standby.signal', 'pg_wal/00000002.history', 'postmaster.pid']) {
    await writeFile(join(other, name), name.endsWith('history') ? HISTORY_2 : '42\n/\n1000\n');
  }
  expect((await begin(seg(1, 15), { pgdata: other })).branch).toBeUndefined();
});

it('gives everything where nothing can be kept in mind', async () => {
  await keep(2, HISTORY_2);
  await writeFile(spool, 'a file');
  expect(await miss(seg(2, 15))).toBe(true);
  expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining('kept in mind') }]);
  expect((await begin(seg(1, 15))).branch).toBeUndefined();
  await rm(spool);
  await rm(join(pgdata, 'postmaster.pid'));
  await miss(seg(2, 15));
  expect(await notes()).toEqual([]);
  expect((await begin(seg(1, 15))).branch).toBeUndefined();
  expect(events).toHaveLength(1);
});
