/** Local time of a zone and back, by what the platform knows of zones. Pure; a memo inside. */
export interface ZoneClock {
  /** Local time minus UTC at a moment, ms. @param time ms since 1970 */
  offsetAt(time: number): number;
}

/** Offsets change at multiples of this, ms: all zones of the present do so. */
const STEP = 15 * 60_000;
/** A memo of more entries is begun anew. */
const MEMO_SIZE = 10_000;

const clocks = new Map<string, ZoneClock>();

/** @param zone an IANA name the platform knows */
export function zoneClock(zone: string): ZoneClock {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const memo = new Map<number, number>();
  const clock: ZoneClock = {
    offsetAt(time) {
      const block = Math.floor(time / STEP);
      const remembered = memo.get(block);
      if (remembered !== undefined) return remembered;
      const moment = block * STEP;
      const parts = Object.fromEntries(
        format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]),
      ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number>;
      const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
      if (memo.size >= MEMO_SIZE) memo.clear();
      memo.set(block, local - moment);
      return local - moment;
    },
  };
  clocks.set(zone, clock);
  return clock;
}

/** No zone was ever moved by more at once, ms. */
const DAY = 86_400_000;

/**
 * The moment at which a zone's clocks first show a local time. One that does not exist, because clocks were put
 * forward over it, is the moment at which they were.
 * @param local ms since 1970, as if the local time were UTC
 */
export function firstMomentOf(local: number, clock: ZoneClock): number {
  const before = clock.offsetAt(local - DAY);
  const after = clock.offsetAt(local + DAY);
  const moments = [...new Set([local - before, local - after])].sort((a, b) => a - b);
  const shown = moments.find((moment) => moment + clock.offsetAt(moment) === local);
  if (shown !== undefined) return shown;
  // Clocks went forward between these two.
  let [early, late] = [Math.min(...moments), Math.max(...moments)];
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (clock.offsetAt(middle) === before) early = middle;
    else late = middle;
  }
  return late;
}
