/** The kinds of period that retention counts. */
export const PERIODS = ['daily', 'weekly', 'monthly', 'yearly'] as const;
export type Period = (typeof PERIODS)[number];

const DAY = 86_400_000;

/** A day of the calendar, as people there write it. */
interface CalendarDay {
  year: number;
  month: number;
  day: number;
}

/**
 * Tells which day, ISO week, month and year a moment (ms since 1970) belongs to in a time zone:
 * `2026-11-21`, `2026-W47`, `2026-11`, `2026`.
 */
export function calendarOf(timeZone: string): (moment: number, period: Period) => string {
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (moment, period) => {
    const part = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
    return label({ year: Number(part.year), month: Number(part.month), day: Number(part.day) }, period);
  };
}

function label({ year, month, day }: CalendarDay, period: Period): string {
  if (period === 'yearly') return String(year);
  if (period === 'monthly') return `${year}-${two(month)}`;
  if (period === 'daily') return `${year}-${two(month)}-${two(day)}`;
  return weekOf(Date.UTC(year, month - 1, day));
}

/** ISO 8601: a week belongs to the year its Thursday lies in. */
function weekOf(date: number): string {
  const weekday = (new Date(date).getUTCDay() + 6) % 7;
  const thursday = new Date(date + (3 - weekday) * DAY);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY)) + 1;
  return `${year}-W${two(week)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
