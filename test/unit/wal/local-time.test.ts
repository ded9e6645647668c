import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseLocalTime } from '../../../src/wal/local-time.ts';

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

it.each([
  ['2026-11-21 12:00:31.250001', Date.UTC(2026, 10, 21, 11, 0, 31) * 1000 + 250_001],
  ['2026-07-01T12:00', Date.UTC(2026, 6, 1, 10) * 1000],
  ['2026-11-21', Date.UTC(2026, 10, 20, 23) * 1000],
])('reads %s', (written, micros) => expect(parseLocalTime(written)).toBe(micros));

it.each(['2026-02-30 12:00:00', '2026-11-31', '2026-13-01', '2026-11-21 24:00', 'yesterday'])(
  'refuses %s, which would be another moment',
  (written) => expect(parseLocalTime(written)).toBeUndefined(),
);

it('tells of hours that clocks leave out or show twice', () => {
  expect(parseLocalTime('2026-03-29 02:30:00')).toBe('none');
  expect(parseLocalTime('2026-03-29 03:00:00')).toBe(Date.UTC(2026, 2, 29, 1) * 1000);
  expect(parseLocalTime('2026-10-25 02:30:00')).toBe('two');
  expect(parseLocalTime('2026-10-25 01:59:59')).toBe(Date.UTC(2026, 9, 24, 23, 59, 59) * 1000);
  expect(parseLocalTime('2026-10-25 03:00:00')).toBe(Date.UTC(2026, 9, 25, 2) * 1000);
});
