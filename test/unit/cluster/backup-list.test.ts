import { describe, expect, it } from 'vitest';
import type { Backup } from '../../../src/backup/catalog.ts';
import { formatWaleTable } from '../../../src/backup/catalog-wale.ts';
import { bodyOf, formatList, formatTable, parseList } from '../../../src/cluster/backup-list.ts';

const readAt = new Date('2026-11-21T17:00:00.123Z');

function makeBackup(index: number, extra: Partial<Backup> = {}): Backup {
  const start = BigInt(index) * 0x2000000n + 0x28n;
  return {
    name: `base_0000000100000000${(index * 2).toString(16).toUpperCase().padStart(8, '0')}`,
    kind: 'full',
    startLsn: start,
    finishLsn: start + 0x110n,
    timeline: 1,
    systemIdentifier: 7392837482734872384n,
    startTime: new Date(1.7e12 + index),
    finishTime: new Date(1.7e12 + index + 600_000),
    storedTime: new Date(1.7e12 + index + 601_000),
    uncompressedSize: 24_000_000,
    storedSize: 5_000_000,
    dataSize: 24_000_000,
    pgVersion: 150020,
    permanent: false,
    hostname: 'db-1',
    dataDir: '/var/lib/postgresql/15/main',
    parent: undefined,
    fullName: undefined,
    deltaCount: undefined,
    userData: undefined,
    usable: true,
    warnings: [],
    ...extra,
  };
}

const UNKNOWN = {
  finishLsn: undefined,
  systemIdentifier: undefined,
  startTime: undefined,
  uncompressedSize: undefined,
  storedSize: undefined,
  dataSize: undefined,
  pgVersion: undefined,
  hostname: undefined,
  dataDir: undefined,
};

describe('the list in etcd', () => {
  it.each<[string, Partial<Backup>]>([
    ['a full backup', {}],
    ['a permanent one with data of its user', { permanent: true, userData: { id: 2n ** 60n, tags: ['a'] } }],
    ['a delta', { kind: 'delta', parent: 'base_1', fullName: 'base_0', deltaCount: 2 }],
    ['one of WAL-E', { kind: 'wal-e', startTime: undefined, pgVersion: undefined }],
    ['a damaged one', { ...UNKNOWN, usable: false, warnings: ['sentinel: is not JSON', 'it says "ä"'] }],
  ])('holds %s as it was', (_, extra) => {
    const backups = [makeBackup(1), makeBackup(2, extra)];
    expect(parseList(formatList(backups, readAt))).toEqual({ backups, readAt, omitted: 0 });
  });

  it('leaves out a stored time that is not known', () => {
    const { storedTime, ...backup } = makeBackup(1);
    expect(parseList(formatList([backup], readAt))?.backups).toEqual([backup]);
  });

  it.each([
    '',
    'rubbish',
    'null',
    '[]',
    '{}',
    '{"readAt":"2026-11-21T17:00:00Z"}',
    '{"readAt":"yesterday","backups":[]}',
    '{"readAt":"2026-11-21T17:00:00Z","backups":[{}]}',
    '{"readAt":"2026-11-21T17:00:00Z","backups":[null]}',
    '{"readAt":"2026-11-21T17:00:00Z","backups":{"length":1}}',
    formatList([makeBackup(1)], readAt).replace('0/2000028', 'x'),
    formatList([makeBackup(1)], readAt).slice(0, -3),
  ])('takes nothing from %s', (value) => {
    expect(parseList(value)).toBeUndefined();
  });

  it('is the same list whenever it was read', () => {
    const backups = [makeBackup(1)];
    const later = new Date(readAt.getTime() + 1000);
    expect(bodyOf(formatList(backups, readAt))).toBe(bodyOf(formatList(backups, later)));
    expect(bodyOf(formatList(backups, readAt))).not.toBe(bodyOf(formatList([], readAt)));
  });

  it('keeps the newest when there is not room for all, and says how many are missing', () => {
    const backups = Array.from({ length: 100 }, (_, index) => makeBackup(index));
    const limit = 10_000;
    const text = formatList(backups, readAt, limit);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limit);
    const list = parseList(text)!;
    expect(list.backups).toEqual(backups.slice(list.omitted));
    expect(list.omitted).toBeGreaterThan(0);
    expect(list.omitted).toBeLessThan(100);
    const table = formatTable(backups, limit);
    expect(Buffer.byteLength(table.text)).toBeLessThanOrEqual(limit);
    expect(table.text).toBe(formatWaleTable(backups.slice(table.omitted)));
    expect(formatTable(backups)).toEqual({ text: formatWaleTable(backups), omitted: 0 });
  });

  it('holds 2,000 backups', () => {
    const backups = Array.from({ length: 2000 }, (_, index) => makeBackup(index));
    expect(parseList(formatList(backups, readAt))?.omitted).toBe(0);
    expect(formatTable(backups).omitted).toBe(0);
  });
});
