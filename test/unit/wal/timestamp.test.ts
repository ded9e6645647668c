import { describe, expect, it } from 'vitest';
import {
  formatTargetTime,
  formatTimestamp,
  fromDate,
  fromTimestampTz,
  parseTimestamp,
} from '../../../src/wal/timestamp.ts';

const NOON = fromDate(new Date('2026-11-21T12:00:00Z'));

describe('timestamps', () => {
  it('count from PostgreSQL’s epoch', () => {
    expect(formatTimestamp(fromTimestampTz(0n))).toBe('2000-01-01T00:00:00.000000Z');
    expect(formatTimestamp(fromTimestampTz(-1n))).toBe('1999-12-31T23:59:59.999999Z');
    expect(formatTimestamp(fromTimestampTz(848_577_600_000_001n))).toBe('2026-11-21T12:00:00.000001Z');
  });

  it('keep microseconds', () => {
    expect(formatTimestamp(NOON + 230_951)).toBe('2026-11-21T12:00:00.230951Z');
    expect(formatTargetTime(NOON + 230_951)).toBe('2026-11-21 12:00:00.230951+00');
    expect(parseTimestamp(formatTimestamp(NOON + 230_951))).toBe(NOON + 230_951);
    expect(parseTimestamp(formatTargetTime(NOON + 230_951))).toBe(NOON + 230_951);
  });

  it.each([
    ['2026-11-21T12:00:00Z', 0],
    ['2026-11-21 13:30:00+01:30', 0],
    ['2026-11-21 13:30:00+0130', 0],
    ['2026-11-21 07:00:00-05', 0],
    ['2026-11-21 12:00:00.5z', 500_000],
  ])('reads %s', (text, micros) => {
    expect(parseTimestamp(text)).toBe(NOON + micros);
  });

  it.each([
    '2026-11-21 12:00:00',
    '2026-11-21',
    '12:00:00Z',
    '2026-13-21 12:00:00Z',
    '2026-02-30 12:00:00Z',
    '2026-11-21 12:00:00.1234567Z',
    '',
  ])('does not guess what %j means', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});
