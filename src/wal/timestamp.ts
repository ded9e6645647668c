/**
 * Microseconds since 1970-01-01 UTC: PostgreSQL's resolution, which a Date cannot hold and recovery targets
 * need. A safe integer until the year 2255.
 */
export type UnixMicros = number;

/** From PostgreSQL's epoch 2000-01-01 (datatype/timestamp.h, POSTGRES_EPOCH_JDATE) to Unix's. */
const EPOCH_DIFFERENCE = 946_684_800_000_000n;
const FORM = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}(?::?\d{2})?)$/i;

/** Converts PostgreSQL's TimestampTz. */
export function fromTimestampTz(value: bigint): UnixMicros {
  return Number(value + EPOCH_DIFFERENCE);
}

/** Converts a Date, which is exact to the millisecond only. */
export function fromDate(date: Date): UnixMicros {
  return date.getTime() * 1000;
}

/** RFC 3339 in UTC with microseconds: `2026-11-21T12:00:31.230951Z`. */
export function formatTimestamp(micros: UnixMicros): string {
  const fraction = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  const seconds = new Date((micros - fraction) / 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(fraction).padStart(6, '0')}Z`;
}

/**
 * As recovery_target_time takes it: `2026-11-21 12:00:31.230951+00`. The offset is a number because PostgreSQL
 * knows no names of zones, `Z` among them, while it reads its settings.
 */
export function formatTargetTime(micros: UnixMicros): string {
  return formatTimestamp(micros).replace('T', ' ').replace('Z', '+00');
}

/**
 * Reads `2026-11-21 12:00:31.230951+00`, with `T` or a space, up to six decimals and an offset or `Z`.
 * @returns undefined for anything else, also for a time without an offset
 */
export function parseTimestamp(text: string): UnixMicros | undefined {
  const match = FORM.exec(text.trim());
  if (match === null) return undefined;
  const [, date, time, fraction = '', offset = 'Z'] = match;
  const zone = /^z$/i.test(offset)
    ? 'Z'
    : `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`;
  const seconds = Date.parse(`${date}T${time}${zone}`);
  // Date.parse takes the 30th of February for the 2nd of March.
  const isReal = Number.isFinite(seconds) && isDay(date ?? '');
  return isReal ? seconds * 1000 + Number(fraction.padEnd(6, '0')) : undefined;
}

/** Whether a date as `2026-11-21` is one of the calendar. */
export function isDay(date: string): boolean {
  const day = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
}
