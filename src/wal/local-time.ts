import { isDay, type UnixMicros } from './timestamp.ts';

const FORM = /^(\d{4}-\d{2}-\d{2})(?:[T ]((?:[01]\d|2[0-3]):\d{2}(?::\d{2})?)(?:[.,](\d{1,6}))?)?$/;

/** By how much clocks are set back somewhere on earth, ms: an hour, and half an hour on Lord Howe Island. */
const SET_BACK = [3_600_000, 1_800_000];

/**
 * Reads `2026-11-21 12:00:31.5` as this machine's clock on the wall shows it; seconds or all of the time may be
 * absent.
 * @returns `none` for a time that clocks leave out when they are set forward, `two` for one they show twice;
 *   undefined for what is no time
 */
export function parseLocalTime(text: string): UnixMicros | 'none' | 'two' | undefined {
  const match = FORM.exec(text.trim());
  if (match === null) return undefined;
  const [, date = '', time = '00:00', fraction = ''] = match;
  const moment = new Date(`${date}T${time}`);
  if (Number.isNaN(moment.getTime()) || !isDay(date)) return undefined;
  const written = showClock(moment);
  if (written.slice(0, `${date}T${time}`.length) !== `${date}T${time}`) return 'none';
  const others = SET_BACK.flatMap((apart) => [moment.getTime() - apart, moment.getTime() + apart]);
  if (others.some((other) => showClock(new Date(other)) === written)) return 'two';
  return moment.getTime() * 1000 + Number(fraction.padEnd(6, '0'));
}

/** What the clock on the wall shows: `2026-11-21T12:00:31`. */
function showClock(moment: Date): string {
  const wall = moment.getTime() - moment.getTimezoneOffset() * 60_000;
  return new Date(wall).toISOString().slice(0, 19);
}
