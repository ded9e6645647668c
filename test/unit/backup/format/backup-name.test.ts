import { describe, expect, it } from 'vitest';
import {
  formatBackupName,
  nameFullBackup,
  parseBackupName,
} from '../../../../src/backup/format/backup-name.ts';

describe('backup names', () => {
  const names = [
    ['base_000000010000000000000002', { kind: 'full', segment: '000000010000000000000002' }],
    [
      'base_000000010000000000000004_D_000000010000000000000002',
      { kind: 'delta', segment: '000000010000000000000004', parentSegment: '000000010000000000000002' },
    ],
    [
      'base_00000001000000000000000A_00000040',
      { kind: 'wal-e', segment: '00000001000000000000000A', offset: 40 },
    ],
  ] as const;

  it.each(names)('reads and writes %s', (text, name) => {
    expect(parseBackupName(text)).toEqual(name);
    expect(formatBackupName(name)).toBe(text);
  });

  it.each(['', 'base_', 'base_00000001000000000000000g', 'base_000000010000000000000002_', 'LATEST'])(
    'is not fooled by "%s"',
    (text) => expect(parseBackupName(text)).toBeUndefined(),
  );

  it('counts in the cluster’s own segments', () => {
    const mib = 1024 * 1024;
    expect(nameFullBackup(1, 0x2000028n, 16 * mib)).toBe('base_000000010000000000000002');
    expect(nameFullBackup(2, 0x1_0000_0028n, mib)).toBe('base_000000020000000100000000');
  });
});
