import { describe, expect, it } from 'vitest';
import { partName, planParts } from '../../../../src/backup/push/plan.ts';

const file = (name: string, size: number) => ({
  name,
  size,
  mode: 0o600,
  uid: 0,
  gid: 0,
  modifiedNs: 0n,
  crc32c: 0,
});

describe('planParts', () => {
  it('gives a large file a tar of its own and begins with the largest', () => {
    const parts = planParts([file('/a', 100), file('/b', 9000), file('/c', 200), file('/d', 5000)], 4096);
    expect(parts.map((part) => part.files.map(({ name }) => name))).toEqual([['/b'], ['/d'], ['/a', '/c']]);
  });

  it('packs small files up to the size, padding and headers counted', () => {
    const parts = planParts([file('/a', 1), file('/b', 1), file('/c', 1)], 2048);
    expect(parts.map(({ size, files }) => [size, files.length])).toEqual([
      [2048, 2],
      [1024, 1],
    ]);
  });

  it('has one part for the directories of an empty cluster', () => {
    expect(planParts([])).toEqual([{ files: [], size: 0 }]);
  });

  it('names parts as WAL-G does', () => {
    expect(partName(0, 'lz4')).toBe('part_001.tar.lz4');
    expect(partName(1233, 'zst')).toBe('part_1234.tar.zst');
  });
});
