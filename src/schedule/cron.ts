import { type CronFields, parseCron } from '../config/cron-fields.ts';
import { PgarcError } from '../errors.ts';
import { firstMomentOf, type ZoneClock, zoneClock } from './zone.ts';

/** When something is due: a cron expression in a time zone. */
export interface Cron {
  readonly expression: string;
  readonly timeZone: string;
  /** The first scheduled moment after another. */
  next(after: Date): Date;
}

const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A date that is also a certain weekday may be decades away, days. */
const LONGEST_WAIT = 40 * 366;

/**
 * A schedule that is right when clocks change. A job of every hour follows the time that passes: each real hour
 * has its run. Any other follows the clock on the wall: a time that comes twice counts the first time, one that
 * is left out is made up for when clocks go on.
 * @param options seconds: an expression may have six fields, seconds first
 * @throws PgarcError `setting-invalid` when the expression is none
 */
export function createCron(expression: string, timeZone: string, options: { seconds?: boolean } = {}): Cron {
  const fields = parseCron(expression, options);
  if (typeof fields === 'string') {
    throw new PgarcError('setting-invalid', `"${expression}" is not a cron expression: ${fields}`);
  }
  const clock = zoneClock(timeZone);
  const find = fields.hours.size === 24 ? findByTime : findByClock;
  return {
    expression,
    timeZone,
    next: (after) => new Date(find(fields, clock, after.getTime())),
  };
}

/** The next `count` scheduled moments. */
export function nextRuns(cron: Cron, after: Date, count: number): Date[] {
  const runs: Date[] = [];
  for (let last = after; runs.length < count; runs.push(last)) last = cron.next(last);
  return runs;
}

/** The latest scheduled moment after `from` and not after `to`. */
export function latestRun(cron: Cron, from: Date, to: Date): Date | undefined {
  // Far behind, only the end matters: halve until the span is short enough to walk.
  let start = from;
  for (let span = to.getTime() - from.getTime(); span > HOUR; span /= 2) {
    const later = new Date(to.getTime() - span / 2);
    if (later > start && cron.next(later) <= to) start = later;
  }
  let latest: Date | undefined;
  for (let run = cron.next(start); run <= to; run = cron.next(run)) latest = run;
  return latest;
}

/** Walks along the time that passes. */
function findByTime(fields: CronFields, clock: ZoneClock, after: number): number {
  const unit = fields.seconds.size === 1 && fields.seconds.has(0) ? 60 * SECOND : SECOND;
  const end = after + LONGEST_WAIT * DAY;
  for (let time = (Math.floor(after / unit) + 1) * unit; time < end; ) {
    const local = time + clock.offsetAt(time);
    if (!isDay(fields, local)) {
      // Clocks change by less than the three hours left, and at quarters of an hour.
      const left = DAY - modulo(local, DAY);
      time += left > 3 * HOUR ? left - 3 * HOUR : HOUR / 4 - modulo(time, HOUR / 4);
      continue;
    }
    const date = new Date(local);
    if (!fields.minutes.has(date.getUTCMinutes())) time += 60 * SECOND - modulo(time, 60 * SECOND);
    else if (fields.seconds.has(date.getUTCSeconds())) return time;
    else time += unit;
  }
  throw neverComes();
}

/** Walks along the dates of the calendar and the times of the clock. */
function findByClock(fields: CronFields, clock: ZoneClock, after: number): number {
  const ascending = (values: ReadonlySet<number>) => [...values].sort((a, b) => a - b);
  const [hours, minutes, seconds] = [fields.hours, fields.minutes, fields.seconds].map(ascending);
  const local = after + clock.offsetAt(after);
  const today = local - modulo(local, DAY);
  // Where clocks are put back over midnight, yesterday comes again.
  for (let date = today - DAY; date <= today + LONGEST_WAIT * DAY; date += DAY) {
    if (!isDay(fields, date)) continue;
    for (const hour of hours!) {
      // Whatever the clocks do, this hour is over.
      if (date + (hour + 1) * HOUR < local - DAY) continue;
      for (const minute of minutes!) {
        for (const second of seconds!) {
          const moment = firstMomentOf(date + hour * HOUR + minute * 60 * SECOND + second * SECOND, clock);
          if (moment > after) return moment;
        }
      }
    }
  }
  throw neverComes();
}

function isDay(fields: CronFields, local: number): boolean {
  const date = new Date(local);
  if (!fields.months.has(date.getUTCMonth() + 1)) return false;
  const isDate = fields.days.has(date.getUTCDate());
  const isWeekday = fields.weekdays.has(date.getUTCDay());
  return fields.eitherDay ? isDate || isWeekday : isDate && isWeekday;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

function neverComes(): PgarcError {
  return new PgarcError('setting-invalid', 'no moment matches the cron expression');
}
