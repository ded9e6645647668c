import { describe, expect, it } from 'vitest';
import { parseBackupLabel } from '../../../src/postgres/backup-label.ts';

const LABEL = `START WAL LOCATION: 0/2000028 (file 000000030000000000000002)
CHECKPOINT LOCATION: 0/2000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-21 12:00:31 UTC
LABEL: pgarc
START TIMELINE: 3
`;

describe('parseBackupLabel', () => {
  it('reads start and timeline', () => {
    expect(parseBackupLabel(LABEL)).toEqual({
      startLsn: 0x2000028n,
      timeline: 3,
      checkpointLsn: 0x2000060n,
      fromStandby: false,
    });
    const { fromStandby } = parseBackupLabel(LABEL.replace('FROM: primary', 'FROM: standby'));
    expect(fromStandby).toBe(true);
  });

  it('refuses what is no label', () => {
    expect(() => parseBackupLabel('')).toThrow('backup label');
  });
});
