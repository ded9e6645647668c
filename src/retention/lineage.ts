import { type Backup, compareBackups } from '../backup/catalog.ts';
import { type HistoryEntry, isAncestor, type TimelineSpan, timelineSpans } from '../wal/history.ts';
import { endOf } from '../wal/window.ts';

/** Two clocks that are both right, ms. */
const CLOCKS_DIFFER = 3_600_000;

export type Histories = ReadonlyMap<number, readonly HistoryEntry[]>;

/** The ways of one cluster's history: to each timeline its stretches of WAL and the backups on them. */
export class Lineages {
  readonly #histories: Histories;
  readonly #backups: readonly Backup[];
  readonly #lines = new Map<number, readonly Backup[]>();

  /** @param backups usable ones of one cluster */
  constructor(histories: Histories, backups: readonly Backup[]) {
    this.#histories = histories;
    this.#backups = backups;
  }

  /** The WAL that leads to a timeline, as far as its history file tells. */
  spans(timeline: number): TimelineSpan[] {
    return timelineSpans(timeline, this.#histories.get(timeline) ?? []);
  }

  /** Backups from which recovery can reach a timeline, in the order of their WAL. */
  line(timeline: number): readonly Backup[] {
    const known = this.#lines.get(timeline);
    if (known !== undefined) return known;
    const spans = this.spans(timeline);
    const line = this.#backups
      .filter((backup) => isAncestor(spans, backup.timeline, endOf(backup)))
      .sort(compareByWal);
    this.#lines.set(timeline, line);
    return line;
  }

  /** Timelines that hold the backups, in order. */
  get ownTimelines(): number[] {
    return [...new Set(this.#backups.map(({ timeline }) => timeline))].sort((a, b) => a - b);
  }
}

/** When a backup ended, as far as its finish time can be believed; ms since 1970. */
export interface EndTime {
  earliest: number;
  latest: number;
}

/**
 * WAL has an order that no clock can change: a finish time before that of a backup which this one continues is
 * wrong, and so is one that is still to come. Such a backup ended after those it continues, and before the
 * next that continues it and has a time, or by now. One that is believed ended between its finish time and when
 * the store got its sentinel. What asks how old a backup is at least goes by the latest
 * time: taken for older than it is, it could be chosen as the anchor of moments before its end.
 */
export function settleTimes(
  lineages: Lineages,
  backups: readonly Backup[],
  now: number,
): Map<Backup, EndTime> {
  const settled = new Map<Backup, EndTime>();
  for (const timeline of lineages.ownTimelines) {
    for (const [backup, time] of settleLine(lineages.line(timeline), now)) {
      const known = settled.get(backup) ?? time;
      settled.set(backup, {
        earliest: Math.max(known.earliest, time.earliest),
        latest: Math.min(known.latest, time.latest),
      });
    }
  }
  // One that ends on another timeline than it began on is in no line of its own.
  for (const backup of backups) {
    const [earliest, latest] = [timeOf(backup), latestOf(backup)].map((time) => Math.min(time, now));
    if (!settled.has(backup)) settled.set(backup, { earliest: earliest!, latest: latest! });
  }
  return settled;
}

function settleLine(line: readonly Backup[], now: number): [Backup, EndTime][] {
  let earliest: number | undefined;
  const firsts = line.map((backup) => {
    const time = timeOf(backup);
    const isBelieved = time <= now && time >= (earliest ?? 0);
    if (isBelieved) earliest = time;
    return { isBelieved, earliest };
  });
  let latest = now;
  const settled: [Backup, EndTime][] = [];
  for (const [i, backup] of [...line.entries()].reverse()) {
    const first = firsts[i]!;
    if (first.isBelieved) latest = Math.min(latest, latestOf(backup));
    settled.push([backup, { earliest: first.earliest ?? latest, latest }]);
  }
  return settled;
}

/** The finish time, unless the store had the sentinel long before: then the clock of that server was fast. */
function timeOf({ finishTime, storedTime = finishTime }: Backup): number {
  const isFast = finishTime.getTime() - storedTime.getTime() > CLOCKS_DIFFER;
  return (isFast ? storedTime : finishTime).getTime();
}

/**
 * A slow clock and a sentinel that was copied later look the same: it may have ended as late as the store got it.
 * A copy of a whole archive so keeps more until it is as old as the window.
 */
function latestOf(backup: Backup): number {
  return Math.max(timeOf(backup), backup.storedTime?.getTime() ?? 0);
}

/** By where backups end in the WAL of one lineage. */
function compareByWal(a: Backup, b: Backup): number {
  if (endOf(a) !== endOf(b)) return endOf(a) < endOf(b) ? -1 : 1;
  if (a.startLsn !== b.startLsn) return a.startLsn < b.startLsn ? -1 : 1;
  return compareBackups(a, b);
}
