import { describe, expect, it } from 'vitest';
import { parseCron } from '../../../src/config/cron-fields.ts';
import { createCron, latestRun, nextRuns } from '../../../src/schedule/cron.ts';

/** The next runs after a moment, in UTC without seconds. */
function runs(expression: string, zone: string, after: string, count: number): string[] {
  return nextRuns(createCron(expression, zone), new Date(after), count).map((run) =>
    run.toISOString().slice(0, 16),
  );
}

describe('Europe/Berlin', () => {
  // Clocks go from 02:00 to 03:00 on 29 March 2026 (01:00 UTC), from 03:00 to 02:00 on 25 October (01:00 UTC).
  it.each([
    ['30 2 * * *', '2026-03-27T12:00Z', ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30']],
    ['0 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
    ['59 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:59']],
    ['0 3 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T01:00']],
    // Both stand for one moment, which counts once.
    ['0,30 2,3 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-29T01:30', '2026-03-30T00:00']],
    ['*/15 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
    ['0 */2 * * *', '2026-03-28T22:30Z', ['2026-03-28T23:00', '2026-03-29T01:00', '2026-03-29T02:00']],
    ['30 2 29 3 *', '2026-03-01T12:00Z', ['2026-03-29T01:00', '2027-03-29T00:30']],
    ['30 2 * * sun', '2026-03-23T12:00Z', ['2026-03-29T01:00', '2026-04-05T00:30']],
    ['0 * * * *', '2026-03-28T23:30Z', ['2026-03-29T00:00', '2026-03-29T01:00', '2026-03-29T02:00']],
    ['30 * * * *', '2026-03-29T00:00Z', ['2026-03-29T00:30', '2026-03-29T01:30', '2026-03-29T02:30']],
    ['*/5 * * * *', '2026-03-29T00:50Z', ['2026-03-29T00:55', '2026-03-29T01:00', '2026-03-29T01:05']],
    ['30 2 * * *', '2026-10-23T12:00Z', ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']],
    ['30 2 * * *', '2026-10-25T00:30Z', ['2026-10-26T01:30']],
    ['30 2 * * *', '2026-10-25T00:59Z', ['2026-10-26T01:30']],
    ['0 3 * * *', '2026-10-24T12:00Z', ['2026-10-25T02:00', '2026-10-26T02:00']],
    ['*/30 2 * * *', '2026-10-24T12:00Z', ['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-26T01:00']],
    ['0 * * * *', '2026-10-24T23:30Z', ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00']],
    ['30 * * * *', '2026-10-25T00:00Z', ['2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30']],
    ['30 0-23 * * *', '2026-10-25T00:00Z', ['2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30']],
    ['*/5 * * * *', '2026-10-25T00:50Z', ['2026-10-25T00:55', '2026-10-25T01:00', '2026-10-25T01:05']],
    ['*/5 * * * sun', '2026-10-25T22:50Z', ['2026-10-25T22:55', '2026-10-31T23:00']],
  ])('%s after %s', (expression, after, expected) => {
    expect(runs(expression, 'Europe/Berlin', after, expected.length)).toEqual(expected);
  });

  it('has as many hourly runs in a year as the year has hours', () => {
    const cron = createCron('7 * * * *', 'Europe/Berlin');
    let count = 0;
    for (let run = cron.next(new Date('2026-01-01T00:00Z')); run < new Date('2027-01-01T00:00Z'); count++)
      run = cron.next(run);
    expect(count).toBe(365 * 24);
  });

  it.each(['30 2 * * *', '0 0 * * *', '59 23 * * *'])('has %s once a day all year', (expression) => {
    const cron = createCron(expression, 'Europe/Berlin');
    const day = new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Berlin', dateStyle: 'short' });
    const days: string[] = [];
    for (let run = cron.next(new Date('2026-01-01T12:00Z')); days.length < 364; run = cron.next(run))
      days.push(day.format(run));
    expect(new Set(days).size).toBe(364);
  });
});

it.each([
  // Half an hour, on 4 October 2026 (02:00 to 02:30) and 5 April 2026 (02:00 to 01:30).
  ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', ['2026-10-03T15:30', '2026-10-04T15:15']],
  ['45 1 * * *', 'Australia/Lord_Howe', '2026-04-03T16:00Z', ['2026-04-04T14:45', '2026-04-05T15:15']],
  // Midnight is left out: 24 April 2026.
  [
    '0 0 * * *',
    'Africa/Cairo',
    '2026-04-22T12:00Z',
    ['2026-04-22T22:00', '2026-04-23T22:00', '2026-04-24T21:00'],
  ],
  // Midnight comes twice: 29 October 2026.
  [
    '30 23 * * *',
    'Africa/Cairo',
    '2026-10-28T12:00Z',
    ['2026-10-28T20:30', '2026-10-29T20:30', '2026-10-30T21:30'],
  ],
  // The 30th never was.
  ['30 2 30 12 *', 'Pacific/Apia', '2011-12-01T12:00Z', ['2011-12-30T10:00', '2012-12-29T12:30']],
  // The other half of the world.
  ['30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00', '2026-03-09T06:30']],
  ['30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30', '2026-11-02T06:30']],
  ['0 9 * * 1-5', 'Asia/Kolkata', '2026-11-20T12:00Z', ['2026-11-23T03:30', '2026-11-24T03:30']],
])('%s in %s after %s', (expression, zone, after, expected) => {
  expect(runs(expression, zone, after, expected.length)).toEqual(expected);
});

it.each([
  ['0 0 29 2 *', '2026-01-01T00:00Z', ['2028-02-29T00:00', '2032-02-29T00:00']],
  ['0 0 29 2 *', '2096-03-01T00:00Z', ['2104-02-29T00:00']],
  ['0 * 29 2 *', '2026-01-01T00:00Z', ['2028-02-29T00:00', '2028-02-29T01:00']],
  ['0 0 31 * *', '2026-01-31T00:00Z', ['2026-03-31T00:00', '2026-05-31T00:00']],
  // Either day will do, as long as both are given.
  ['0 0 13 * fri', '2026-11-10T00:00Z', ['2026-11-13T00:00', '2026-11-20T00:00']],
  ['0 0 1 * sun', '2026-11-23T00:00Z', ['2026-11-29T00:00', '2026-12-01T00:00']],
  ['0 0 */2 * sun', '2026-11-16T00:00Z', ['2026-11-29T00:00', '2026-12-13T00:00']],
  ['0 0 * * 7', '2026-11-20T00:00Z', ['2026-11-22T00:00']],
  ['0 0 * * 5-7', '2026-11-20T00:00Z', ['2026-11-21T00:00', '2026-11-22T00:00', '2026-11-27T00:00']],
  ['0 0 1 jan,JUL *', '2026-11-20T00:00Z', ['2027-01-01T00:00', '2027-07-01T00:00']],
  ['10-50/20 8-9 * * *', '2026-11-20T08:11Z', ['2026-11-20T08:30', '2026-11-20T08:50', '2026-11-20T09:10']],
  ['* * * * *', '2026-11-20T08:11:59.999Z', ['2026-11-20T08:12', '2026-11-20T08:13']],
  ['0 0 1 1 *', '2026-12-31T23:59:59.999Z', ['2027-01-01T00:00']],
])('%s after %s', (expression, after, expected) => {
  expect(runs(expression, 'UTC', after, expected.length)).toEqual(expected);
});

it.each([
  ['61 * * * *', '"61" is no minute from 0 to 59'],
  ['* 24 * * *', '"24" is no hour from 0 to 23'],
  ['0 0 0 * *', '"0" is no day of month from 1 to 31'],
  ['0 0 32 * *', '"32" is no day of month from 1 to 31'],
  ['0 0 30 2 *', 'no month of it has a day 30'],
  ['0 0 31 4,6,9,11 *', 'no month of it has a day 31'],
  ['0 0 * 13 *', '"13" is no month from 1 to 12'],
  ['0 0 * * 8', '"8" is no day of week from 0 to 7'],
  ['0 0 * * foo', '"foo" is no day of week from 0 to 7'],
  ['*/0 * * * *', 'the step of "*/0" does not fit into a minute'],
  ['*/90 * * * *', 'the step of "*/90" does not fit into a minute'],
  ['5/15 * * * *', '"5/15" is a step without a range: write 5-59/15'],
  ['30-10 * * * *', '"30-10" goes backwards'],
  ['1,,2 * * * *', '"" is no minute'],
  ['-1 * * * *', '"-1" is no minute'],
  ['0 0 L * *', '"L" is no day of month from 1 to 31'],
  ['* * * *', 'it has 4 fields instead of 5'],
  ['0 0 2 * * *', 'it has 6 fields instead of 5'],
  ['', 'it has 1 fields instead of 5'],
  ['@daily', 'it has 1 fields instead of 5'],
])('refuses %s', (expression, reason) => {
  expect(parseCron(expression)).toBe(reason);
  expect(() => createCron(expression, 'UTC')).toThrow(reason);
});

it('takes seconds when asked to', () => {
  const cron = createCron('*/20 * * * * *', 'UTC', { seconds: true });
  expect(nextRuns(cron, new Date('2026-11-21T00:00:05Z'), 3).map((run) => run.toISOString())).toEqual([
    '2026-11-21T00:00:20.000Z',
    '2026-11-21T00:00:40.000Z',
    '2026-11-21T00:01:00.000Z',
  ]);
});

it.each([
  ['30 2 * * *', '2026-11-18T12:00Z', '2026-11-21T02:29Z', '2026-11-20T02:30:00.000Z'],
  ['30 2 * * *', '2026-11-21T02:29Z', '2026-11-21T02:30Z', '2026-11-21T02:30:00.000Z'],
  ['30 2 * * *', '2026-11-21T02:30Z', '2026-11-22T02:29Z', undefined],
  ['* * * * *', '2016-11-18T12:00Z', '2026-11-21T02:29:30Z', '2026-11-21T02:29:00.000Z'],
  ['0 0 29 2 *', '2016-11-18T12:00Z', '2026-11-21T02:29:30Z', '2024-02-29T00:00:00.000Z'],
  ['0 0 29 2 *', '2025-11-18T12:00Z', '2026-11-21T02:29:30Z', undefined],
  ['30 2 * * *', '2026-11-22T00:00Z', '2026-11-21T02:29Z', undefined],
])('the latest run of %s from %s to %s', (expression, from, to, expected) => {
  const latest = latestRun(createCron(expression, 'UTC'), new Date(from), new Date(to));
  expect(latest?.toISOString()).toBe(expected);
});
