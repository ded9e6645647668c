import { execFile } from 'node:child_process';
import { mkdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { walkDataDirectory } from '../../../../src/backup/push/walk.ts';
import type { PgarcEvent } from '../../../../src/report/events.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const VERSION = 'PG_15_202209061';
const signal = new AbortController().signal;

let pgdata: string;
let events: PgarcEvent[];

async function put(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(pgdata, name)), { recursive: true });
    await writeFile(join(pgdata, name), name);
  }
}

async function walk(logDirectory?: string) {
  const server = { versionDirectory: VERSION, logDirectory };
  const found = await walkDataDirectory(pgdata, server, (event) => events.push(event), signal);
  return {
    ...found,
    fileNames: found.files.map(({ name }) => name).sort(),
    directoryNames: found.directories.map(({ name }) => name).sort(),
  };
}

beforeEach(async () => {
  events = [];
  pgdata = await makeTemporaryFolder('data');
  await mkdir(join(pgdata, 'pg_tblspc'));
  await put('PG_VERSION', 'global/pg_control', 'global/1262', 'base/5/1259');
});

describe('walkDataDirectory', () => {
  it('lists everything but pg_control, which comes last', async () => {
    const found = await walk();
    expect(found.fileNames).toEqual(['/PG_VERSION', '/base/5/1259', '/global/1262']);
    expect(found.directoryNames).toEqual(['/', '/base', '/base/5', '/global', '/pg_tblspc']);
    expect(found.control).toMatchObject({ name: '/global/pg_control', size: 17 });
    expect(found.files[0]!.modifiedNs % 1_000_000n).not.toBe(0n);
  });

  it('leaves out what is made anew, by place', async () => {
    await put(
      'postmaster.pid',
      'backup_label.old',
      'pg_wal/000000010000000000000001',
      'pg_wal/archive_status/x',
      'pg_replslot/slot/state',
      'base/pgsql_tmp/pgsql_tmp1.0',
      'base/5/pg_internal.init',
      'base/5/t1_16384',
      'base/5/16390',
      'base/5/16390_init',
      'base/5/16390.1',
      'base/5/16391',
      'mine/postmaster.pid',
      'mine/pg_wal/keep',
    );
    const found = await walk();
    expect(found.fileNames).toEqual([
      '/PG_VERSION',
      '/base/5/1259',
      '/base/5/16390_init',
      '/base/5/16391',
      '/global/1262',
      '/mine/pg_wal/keep',
      '/mine/postmaster.pid',
    ]);
    expect(found.directoryNames).toEqual(
      expect.arrayContaining(['/pg_wal', '/pg_replslot', '/base/pgsql_tmp', '/mine/pg_wal']),
    );
    expect(found.directoryNames).not.toContain('/pg_wal/archive_status');
  });

  it('follows tablespaces, of this server only', async () => {
    const space = await makeTemporaryFolder('ts');
    await mkdir(join(space, VERSION, '5'), { recursive: true });
    await mkdir(join(space, 'PG_14_202107181', '5'), { recursive: true });
    await writeFile(join(space, VERSION, '5', '16390'), 'x');
    await writeFile(join(space, 'PG_14_202107181', '5', '16390'), 'x');
    await symlink(space, join(pgdata, 'pg_tblspc', '16384'));
    const found = await walk();
    expect(found.tablespaces).toEqual([{ oid: '16384', location: space }]);
    expect(found.fileNames).toContain(`/pg_tblspc/16384/${VERSION}/5/16390`);
    expect(found.fileNames.join()).not.toContain('PG_14');
    expect(found.directoryNames).toContain(`/pg_tblspc/16384/${VERSION}`);
    expect(found.directoryNames).not.toContain('/pg_tblspc/16384');
  });

  it('walks a tablespace within the data directory once', async () => {
    await put(`space/${VERSION}/5/16390`);
    await symlink(join(pgdata, 'space'), join(pgdata, 'pg_tblspc', '16384'));
    const found = await walk();
    expect(found.fileNames.filter((name) => name.includes('16390'))).toEqual([
      `/pg_tblspc/16384/${VERSION}/5/16390`,
    ]);
    expect(found.directoryNames).toContain('/space');
  });

  it.each([
    ['elsewhere', () => makeTemporaryFolder('disk')],
    ['within the data directory', async () => pgdata],
  ])('follows a linked pg_tblspc %s', async (_, findDisk) => {
    const disk = join(await findDisk(), 'spaces');
    const space = await makeTemporaryFolder('ts');
    await mkdir(join(space, VERSION, '5'), { recursive: true });
    await writeFile(join(space, VERSION, '5', '16390'), 'x');
    await mkdir(disk);
    await symlink(space, join(disk, '16384'));
    await rmdir(join(pgdata, 'pg_tblspc'));
    await symlink(disk, join(pgdata, 'pg_tblspc'));
    const found = await walk();
    expect(found.tablespaces).toEqual([{ oid: '16384', location: space }]);
    expect(found.fileNames).toContain(`/pg_tblspc/16384/${VERSION}/5/16390`);
    expect(found.directoryNames).toContain('/pg_tblspc');
    expect([found.leftOut, events]).toEqual([[], []]);
  });

  it('refuses a pg_tblspc that leads nowhere', async () => {
    await rmdir(join(pgdata, 'pg_tblspc'));
    await symlink(join(pgdata, 'nowhere'), join(pgdata, 'pg_tblspc'));
    await expect(walk()).rejects.toMatchObject({ code: 'refused' });
  });

  it('makes a linked pg_wal a directory, and warns of other links', async () => {
    const elsewhere = await makeTemporaryFolder('wal');
    await symlink(elsewhere, join(pgdata, 'pg_wal'));
    await symlink('/etc/hostname', join(pgdata, 'my.conf'));
    const found = await walk();
    expect(found.directoryNames).toContain('/pg_wal');
    expect(found.fileNames).not.toContain('/my.conf');
    expect(found.leftOut).toEqual([{ path: '/my.conf', kind: 'symlink', target: '/etc/hostname' }]);
    expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining('my.conf') }]);
  });

  it('says nothing of links to logs, nor in the place of what is left out in any case', async () => {
    const elsewhere = await makeTemporaryFolder('log');
    await symlink(elsewhere, join(pgdata, 'log'));
    await symlink(elsewhere, join(pgdata, 'pg_stat_tmp'));
    await symlink('/nonexistent', join(pgdata, 'postmaster.opts'));
    const found = await walk();
    expect([found.leftOut, events]).toEqual([[], []]);
    expect(found.directoryNames).toContain('/pg_stat_tmp');
  });

  it.each(['logs', '../data/logs', undefined])('says nothing of links among logs: %s', async (setting) => {
    const place = setting === undefined ? 'log' : 'logs';
    await put(`${place}/deeper/postgresql.log`);
    await symlink('deeper/postgresql.log', join(pgdata, place, 'current'));
    await promisify(execFile)('mkfifo', [join(pgdata, place, 'pipe')]);
    await symlink('/nonexistent', join(pgdata, 'log_not'));
    const found = await walk(setting?.replace('data', basename(pgdata)));
    expect(found.leftOut.map(({ path }) => path)).toEqual(['/log_not']);
  });

  it('says nothing of the link of the logs, but where it leads nowhere', async () => {
    const elsewhere = await makeTemporaryFolder('log');
    await symlink(elsewhere, join(pgdata, 'logs'));
    for (const setting of ['logs', join(pgdata, 'logs/')]) expect((await walk(setting)).leftOut).toEqual([]);
    expect((await walk()).leftOut).toHaveLength(1);
    expect((await walk(elsewhere)).leftOut).toHaveLength(1);
    await rm(elsewhere, { recursive: true });
    expect((await walk('logs')).leftOut).toHaveLength(1);
  });

  it('refuses a link in the place of a part of the cluster', async () => {
    const elsewhere = await makeTemporaryFolder('db');
    await symlink(elsewhere, join(pgdata, 'base', '6'));
    await expect(walk()).rejects.toMatchObject({ code: 'refused' });
  });

  it('keeps names that are no UTF-8', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${pgdata}/caf`), Buffer.of(0xe9)]), 'x');
    expect((await walk()).fileNames).toContain('/caf\udce9');
  });

  it('warns of a special file', async () => {
    await promisify(execFile)('mkfifo', [join(pgdata, 'pipe')]);
    const found = await walk();
    expect(found.fileNames).not.toContain('/pipe');
    expect(found.leftOut).toEqual([{ path: '/pipe', kind: 'special' }]);
    expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining('/pipe') }]);
  });
});
