/**
 * A cron expression, parsed. Pure and light: the settings check themselves with it.
 * Five fields: minute, hour, day of month, month, day of week. In each `*`, numbers, ranges `1-5`, lists `1,15`
 * and steps `*`/`15` or `8-18/2`; months and weekdays also by their first three letters; 7 is Sunday, as 0.
 */
export interface CronFields {
  /** Seconds, only 0 in an expression of five fields. */
  readonly seconds: ReadonlySet<number>;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  /** 1 is January. */
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** Both days of month and weekdays are given: either will do, as in Vixie's cron. */
  readonly eitherDay: boolean;
}

interface Field {
  name: string;
  least: number;
  most: number;
  names?: readonly string[];
}

const SECOND: Field = { name: 'second', least: 0, most: 59 };
const FIELDS: readonly Field[] = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, names: words('jan feb mar apr may jun jul aug sep oct nov dec', 1) },
  { name: 'day of week', least: 0, most: 7, names: words('sun mon tue wed thu fri sat', 0) },
];

/** Most days a month can have, from January on. */
const LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Parses five fields; six, with seconds in front, only for those who ask, which settings do not.
 * @returns what is wrong with it, in words, when it is none or names no day that ever comes
 */
export function parseCron(text: string, options: { seconds?: boolean } = {}): CronFields | string {
  const words = text.trim().split(/\s+/);
  const fields = options.seconds && words.length === FIELDS.length + 1 ? [SECOND, ...FIELDS] : FIELDS;
  if (words.length !== fields.length) return `it has ${words.length} fields instead of ${fields.length}`;
  const sets: Set<number>[] = [];
  for (const [i, field] of fields.entries()) {
    const set = parseField(words[i]!, field);
    if (typeof set === 'string') return set;
    sets.push(set);
  }
  if (fields.length === FIELDS.length) sets.unshift(new Set([0]));
  const [seconds, minutes, hours, days, months, weekdays] = sets;
  const [daysWord, , weekdaysWord] = words.slice(-3) as [string, string, string];
  if (weekdays!.delete(7)) weekdays!.add(0);
  const eitherDay = !daysWord.startsWith('*') && !weekdaysWord.startsWith('*');
  if (!eitherDay && ![...months!].some((month) => [...days!].some((day) => day <= LENGTHS[month - 1]!))) {
    return `no month of it has a day ${daysWord}`;
  }
  return {
    seconds: seconds!,
    minutes: minutes!,
    hours: hours!,
    days: days!,
    months: months!,
    weekdays: weekdays!,
    eitherDay,
  };
}

function parseField(word: string, field: Field): Set<number> | string {
  const values = new Set<number>();
  for (const part of word.split(',')) {
    const range = parsePart(part, field);
    if (typeof range === 'string') return range;
    for (let value = range.from; value <= range.to; value += range.step) values.add(value);
  }
  return values;
}

function parsePart(part: string, field: Field): { from: number; to: number; step: number } | string {
  const { name, least, most } = field;
  const match = /^(\*|(\w+)(?:-(\w+))?)(?:\/(\d{1,4}))?$/.exec(part);
  if (match === null) return `"${part}" is no ${name}`;
  const [, range, first, last, stepText] = match;
  const all = range === '*';
  const from = all ? least : parseValue(first!, field);
  // Seven is Sunday when it is written, and none when the star is.
  const to = all
    ? Math.min(most, name === 'day of week' ? 6 : most)
    : last === undefined
      ? from
      : parseValue(last, field);
  if (from === undefined || to === undefined) return `"${part}" is no ${name} from ${least} to ${most}`;
  if (from > to) return `"${part}" goes backwards`;
  if (stepText === undefined) return { from, to, step: 1 };
  const step = Number(stepText);
  if (!all && last === undefined) return `"${part}" is a step without a range: write ${from}-${most}/${step}`;
  if (step < 1 || step > to - from) return `the step of "${part}" does not fit into a ${name}`;
  return { from, to, step };
}

function parseValue(text: string, { least, most, names }: Field): number | undefined {
  const index = names?.indexOf(text.toLowerCase()) ?? -1;
  if (index >= 0) return index;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}

/** Names at their numbers. */
function words(text: string, first: number): string[] {
  return [...Array<string>(first).fill(''), ...text.split(' ')];
}
