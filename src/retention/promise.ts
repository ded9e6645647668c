import type { Backup } from '../backup/catalog.ts';
import type { TimelineSpan } from '../wal/history.ts';
import type { ClusterView } from './cluster-view.ts';

const DAY = 86_400_000;

/** All WAL on the way to a timeline stays, from this backup's start on. */
export interface Continuity {
  timeline: number;
  spans: readonly TimelineSpan[];
  from: Backup;
  /** The backup lies before the window and is kept because the window begins in its WAL. */
  isAnchor: boolean;
}

/** What was promised to stay reachable without a break. */
export interface Promised {
  /** Start of the window, ms since 1970; undefined: from the oldest backup a rule keeps. */
  windowStart: number | undefined;
  /** Backups that a rule keeps. */
  kept: ReadonlySet<Backup>;
}

/**
 * The stretches of WAL that keep one cluster's promised moments reachable: for each timeline that was written
 * to since, from the newest backup before the window (its anchor) or, without one, from the oldest on. Other
 * tools' clocks and a late archiver are given a day.
 */
export function findContinuity(
  view: ClusterView,
  storedUntil: ReadonlyMap<number, Date>,
  timelines: readonly number[],
  promised: Promised,
): Continuity[] {
  const { lineages, times, last, newest, endedAt } = view;
  const kept = view.good.filter((backup) => promised.kept.has(backup));
  const since = promised.windowStart ?? Math.min(...kept.map((backup) => times.get(backup)!.earliest));
  if (endedAt !== undefined && endedAt <= since) return [];
  const aliveSince = Math.min(since, times.get(last)!.earliest) - DAY;
  return timelines.flatMap((timeline) => {
    const line = lineages.line(timeline);
    const stored = storedUntil.get(timeline)?.getTime() ?? 0;
    if (stored < aliveSince && !newest.some((backup) => line.includes(backup))) return [];
    const spans = lineages.spans(timeline);
    if (promised.windowStart === undefined) {
      const from = line.find((backup) => promised.kept.has(backup));
      return from === undefined ? [] : [{ timeline, spans, from, isAnchor: false }];
    }
    const anchor = anchorOf(line, times, promised.windowStart);
    if (anchor !== undefined) return [{ timeline, spans, from: anchor, isAnchor: true }];
    const first = line[0] === undefined ? [] : [{ timeline, spans, from: line[0], isAnchor: false }];
    // A timeline without its history file may have begun anywhere.
    const guess =
      timeline > 1 && spans.length === 1 ? anchorOf(view.good, times, promised.windowStart) : undefined;
    if (guess === undefined) return first;
    const own = lineages.spans(guess.timeline);
    return [...first, { timeline: guess.timeline, spans: own, from: guess, isAnchor: true }];
  });
}

/** The newest backup that ended before the window, where none before it could have ended later. */
function anchorOf(
  line: readonly Backup[],
  times: ClusterView['times'],
  windowStart: number,
): Backup | undefined {
  const inside = line.findIndex((backup) => times.get(backup)!.latest > windowStart);
  return line[(inside === -1 ? line.length : inside) - 1];
}
