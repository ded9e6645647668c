import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatDuration,
  formatPercent,
  formatRate,
} from '../../../src/report/units.ts';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [16 * 1024 ** 2, '16 MiB'],
    [1024 ** 2 - 1, '1 MiB'],
    [1.234 * 1024 ** 3, '1.23 GiB'],
    [12.34 * 1024 ** 3, '12.3 GiB'],
    [123.4 * 1024 ** 4, '123 TiB'],
    [5000 * 1024 ** 5, '5000 PiB'],
  ])('%d bytes is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [4230, '4.2 s'],
    [9960, '10 s'],
    [59_600, '1 min'],
    [200_000, '3 min 20 s'],
    [3_599_600, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_399_000, '1 d'],
    [273_600_000, '3 d 4 h'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [0, 'just now'],
    [59, 'just now'],
    [60, '1 min ago'],
    [7200, '2 h ago'],
    [86_400 * 12, '12 d ago'],
    [-3600, 'in the future'],
  ])('%d s before now is %s', (seconds, text) => {
    const now = new Date('2026-11-21T12:00:00Z');
    expect(formatAge(new Date(now.getTime() - seconds * 1000), now)).toBe(text);
  });

  it('says 100 % only at the end', () => {
    expect(formatPercent(9999, 10_000)).toBe('99 %');
    expect(formatPercent(10_000, 10_000)).toBe('100 %');
    expect(formatPercent(0, 0)).toBe('100 %');
    expect(formatRate(410 * 1024 ** 2)).toBe('410 MiB/s');
  });
});
