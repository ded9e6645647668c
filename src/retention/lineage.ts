import { type Backup, compareBackups } from '../backup/catalog.ts';
import { type HistoryEntry, isAncestor, type TimelineSpan, timelineSpans } from '../wal/history.ts';
import { endOf } from '../wal/window.ts';

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

/**
 * When each backup ended, ms since 1970, as far as its finish time can be believed. WAL has an order that no
 * clock can change: a backup never ended before one that it continues, and one whose finish time is still to
 * come ended before the next that continues it, or by now. So every time is the latest it can have been,
 * which is the safe side: a backup taken for older than it is could be chosen as the anchor of moments that
 * were before its end.
 */
export function settleTimes(
  lineages: Lineages,
  backups: readonly Backup[],
  now: number,
): Map<Backup, number> {
  const times = new Map(backups.map((backup) => [backup, backup.finishTime.getTime()]));
  const lines = lineages.ownTimelines.map((timeline) => ({ timeline, line: lineages.line(timeline) }));
  const capped = new Map<Backup, number>();
  for (const { line } of lines) {
    let latest = 0;
    // A clock that was set back says nothing of those before.
    const inOrder = line.map((backup) => {
      const time = backup.finishTime.getTime();
      if (time > now || time < latest) return false;
      latest = time;
      return true;
    });
    let bound = now;
    for (const [i, backup] of [...line.entries()].reverse()) {
      const time = backup.finishTime.getTime();
      if (time > now) capped.set(backup, Math.min(capped.get(backup) ?? now, bound));
      else if (inOrder[i]) bound = time;
    }
  }
  for (const [backup, time] of capped) times.set(backup, time);
  const settled = new Map(times);
  for (const { timeline, line } of lines) {
    let latest = 0;
    for (const backup of line) {
      latest = Math.max(latest, times.get(backup)!);
      // A line through this timeline to another one has the same backups before it.
      if (backup.timeline === timeline) settled.set(backup, latest);
    }
  }
  return settled;
}

/** By where backups end in the WAL of one lineage. */
export function compareByWal(a: Backup, b: Backup): number {
  if (endOf(a) !== endOf(b)) return endOf(a) < endOf(b) ? -1 : 1;
  if (a.startLsn !== b.startLsn) return a.startLsn < b.startLsn ? -1 : 1;
  return compareBackups(a, b);
}
