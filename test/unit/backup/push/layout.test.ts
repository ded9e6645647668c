import { describe, expect, it } from 'vitest';
import {
  findUnlogged,
  folderKind,
  isEssential,
  isKeptEmpty,
  isLeftOut,
  isReplayed,
  parseRelationFile,
} from '../../../../src/backup/push/layout.ts';

describe('folderKind', () => {
  it.each([
    ['/', 'root'],
    ['/global', 'global'],
    ['/base', 'databases'],
    ['/base/5', 'database'],
    ['/pg_tblspc', 'tablespaces'],
    ['/pg_tblspc/16384/PG_15_202209061', 'databases'],
    ['/pg_tblspc/16384/PG_15_202209061/5', 'database'],
    ['/mine/base/5', 'other'],
    ['/base/5/deeper', 'other'],
  ])('%s is %s', (name, kind) => expect(folderKind(name)).toBe(kind));
});

describe('what is left out', () => {
  it.each([
    ['root', 'postmaster.pid', true],
    ['root', 'backup_label.old', true],
    ['root', 'standby.signal', true],
    ['root', 'postgresql.auto.conf', false],
    ['other', 'postmaster.pid', false],
    ['other', 'backup_label', false],
    ['global', 'pg_internal.init', true],
    ['database', 'pg_internal.init.4711', true],
    ['database', 't3_16384', true],
    ['database', 't3_16384_fsm.1', true],
    ['root', 'pgsql_tmp.pgarc-restore', true],
    ['other', 't3_16384', false],
    ['database', 'tables', false],
  ] as const)('in %s: %s %s', (folder, entry, expected) => expect(isLeftOut(folder, entry)).toBe(expected));

  it('keeps directories empty by place', () => {
    expect(isKeptEmpty('root', 'pg_wal')).toBe(true);
    expect(isKeptEmpty('root', 'log')).toBe(false);
    expect(isKeptEmpty('other', 'pg_wal')).toBe(false);
    expect(isKeptEmpty('databases', 'pgsql_tmp')).toBe(true);
    expect(isKeptEmpty('database', 'pgsql_tmp')).toBe(false);
  });

  it('knows the forks of unlogged relations', () => {
    const unlogged = findUnlogged(['16384', '16384_init', '16385', '16386_fsm', 'x_init']);
    expect([...unlogged]).toEqual(['16384']);
  });
});

describe('parseRelationFile', () => {
  it.each([
    ['16384', { number: '16384', fork: 'main', part: 0 }],
    ['16384.12', { number: '16384', fork: 'main', part: 12 }],
    ['16384_vm.1', { number: '16384', fork: 'vm', part: 1 }],
    ['PG_VERSION', undefined],
    ['pg_filenode.map', undefined],
    ['16384_foo', undefined],
  ])('%s', (name, expected) => expect(parseRelationFile(name)).toEqual(expected));
});

describe('isEssential', () => {
  it('knows what a cluster cannot do without', () => {
    expect(isEssential('/base')).toBe(true);
    expect(isEssential('/base/5/1259')).toBe(true);
    expect(isEssential('/pg_xact')).toBe(true);
    expect(isEssential('/pg_tblspc')).toBe(true);
    expect(isEssential('/pg_tblspc/16384/PG_15_202209061')).toBe(true);
    expect(isEssential('/pg_tblspc/mine')).toBe(false);
    expect(isEssential('/postgresql.conf')).toBe(false);
    expect(isEssential('/basement')).toBe(false);
  });
});

describe('isReplayed', () => {
  it.each([
    ['/base/5/1259', true],
    ['/base/5/1259_fsm', true],
    ['/base/5/16384_vm.12', true],
    ['/global/1262', true],
    ['/pg_tblspc/16384/PG_15_202209061/5/16390_init', true],
    ['/pg_xact/0000', true],
    ['/pg_multixact/members/001F', true],
    ['/pg_commit_ts/0001', true],
    ['/base/5/PG_VERSION', false],
    ['/global/pg_filenode.map', false],
    ['/postgresql.auto.conf', false],
    ['/pg_logical/replorigin_checkpoint', false],
    ['/mine/base/5/1259', false],
    ['/12', false],
  ])('%s: %s', (name, replayed) => expect(isReplayed(name)).toBe(replayed));
});
