import { describe, expect, it } from 'vitest';
import { classifyWalFile } from '../../../src/wal/file-name.ts';

describe('classifyWalFile', () => {
  const segmentName = '0000000A00000001000000C6';
  it('knows the four kinds', () => {
    expect(classifyWalFile(segmentName)).toEqual({
      kind: 'segment',
      name: segmentName,
      timeline: 10,
      segmentName,
    });
    expect(classifyWalFile(`${segmentName}.partial`)).toMatchObject({ kind: 'partial', segmentName });
    expect(classifyWalFile(`${segmentName}.00000028.backup`)).toMatchObject({
      kind: 'backup',
      segmentName,
      offset: 0x28,
    });
    expect(classifyWalFile('FFFFFFFF.history')).toMatchObject({ kind: 'history', timeline: 0xffffffff });
  });

  it.each([
    '',
    'RECOVERYXLOG',
    '0000000a00000001000000c6',
    '0000000A00000001000000C',
    '0000000A00000001000000C60',
    '0000000A00000001000000C6.lz4',
    '0000000A00000001000000C6.backup',
    '0000000A00000001000000C6.28.backup',
    '0000000A00000001000000C6.partial.partial',
    '0000000A00000001000000C6\n',
    '../0000000A00000001000000C6',
    '00000000.history',
    '0000000000000001000000C6',
    '2.history',
    'archive_status',
  ])('takes %j for no WAL file', (name) => expect(classifyWalFile(name)).toBeUndefined());
});
