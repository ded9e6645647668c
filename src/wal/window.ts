import type { Lsn } from '../postgres/lsn.ts';
import { coveredRanges, knownTimelines, type LsnRange, type Segments, spansOf } from './gaps.ts';
import { isAncestor, type TimelineSpan, timelineAt } from './history.ts';
import { readTail, scanRecords } from './scan.ts';
import type { StoredWal } from './stored-wal.ts';
import { fromDate, type UnixMicros } from './timestamp.ts';

/** The part of a backup that matters for recovery; a catalog's Backup is one. */
export interface BackupSpan {
  name: string;
  timeline: number;
  startLsn: Lsn;
  finishLsn: Lsn | undefined;
  finishTime: Date;
  usable: boolean;
}

/** A moment to which one can recover. `time` is undefined when no transaction end tells it. */
export interface Moment {
  timeline: number;
  lsn: Lsn;
  time: UnixMicros | undefined;
}

/** A span in which every moment can be recovered: WAL without a gap, from the end of a backup on. */
export interface Window {
  /** Recovery to this timeline; earlier ones that led to it are included. */
  timeline: number;
  /** When the oldest backup of the window was consistent. */
  from: Moment;
  /** The last transaction end in the WAL, and where the WAL ends. */
  to: Moment;
  /** Names, oldest first. */
  backups: readonly string[];
  /** Segments behind the end that are stored but damaged. */
  damaged: readonly string[];
  /** Where it ends because the server went over to wal_level = minimal. */
  minimalLsn: Lsn | undefined;
}

/** A window before its end was read: `range` is the stored WAL it lies in. */
export interface WindowSpan {
  timeline: number;
  spans: readonly TimelineSpan[];
  range: LsnRange;
  /** Oldest first. */
  backups: readonly BackupSpan[];
}

/**
 * The windows of an archive, by timeline and place: one for every stretch of stored WAL that reaches a
 * timeline and holds a whole backup. A gap splits a window in two when a backup follows it.
 */
export function findWindows(archive: Segments, backups: readonly BackupSpan[]): WindowSpan[] {
  return knownTimelines(archive).flatMap((timeline) => {
    const spans = spansOf(archive, timeline);
    const own = spans.at(-1)!;
    return coveredRanges(archive, spans)
      .filter((range) => range.end > own.begin)
      .map((range) => ({ timeline, spans, range, backups: backupsWithin(spans, range, backups) }))
      .filter((window) => window.backups.length > 0);
  });
}

/** The stored WAL around a backup's own, or undefined when some of what it needs is missing. */
export function rangeOf(covered: readonly LsnRange[], backup: BackupSpan): LsnRange | undefined {
  return covered.find((range) => backup.startLsn >= range.begin && endOf(backup) <= range.end);
}

/** Where a restored backup is consistent. A broken one without that is taken to end where it starts. */
export function endOf(backup: BackupSpan): Lsn {
  return backup.finishLsn ?? backup.startLsn;
}

/** Reads where a window ends, of those in it the newest one. @throws PgarcError `store-unreachable` */
export async function measureWindow(
  deps: { wal: StoredWal; archive: Segments },
  span: WindowSpan,
  signal: AbortSignal,
): Promise<Window> {
  return (await measureWindows(deps, span, 'end', signal)).at(-1)!;
}

/**
 * Reads where a window ends. Where wal_level = minimal is met it ends there, and another begins with the next backup.
 * @param extent `end` meets only what lies close to the end; `whole` reads all WAL from the oldest backup on
 * @returns at least one, in order
 * @throws PgarcError `store-unreachable`, and with `whole` `object-damaged`
 */
export async function measureWindows(
  deps: { wal: StoredWal; archive: Segments },
  { timeline, spans, range, backups }: WindowSpan,
  extent: 'end' | 'whole',
  signal: AbortSignal,
): Promise<Window[]> {
  const oldest = backups[0]!;
  const from = endOf(oldest);
  const since = { begin: from < range.end ? from : oldest.startLsn, end: range.end };
  const path = { ...deps, spans, range: since };
  const met = extent === 'whole' ? (await scanRecords(path, signal, () => false)).minimalLsn : undefined;
  const tail = await readTail({ ...path, range: { ...since, end: met ?? since.end } }, signal);
  const end = tail.endLsn ?? range.end;
  const minimalLsn = tail.minimalLsn ?? met;
  const isBehind = (backup: BackupSpan) => minimalLsn !== undefined && backup.startLsn >= minimalLsn;
  const window = {
    timeline,
    from: { timeline: oldest.timeline, lsn: from, time: fromDate(oldest.finishTime) },
    to: { timeline: timelineAt(spans, end - 1n) ?? timeline, lsn: end, time: tail.lastEnd?.time },
    backups: backups.filter((backup) => !isBehind(backup)).map(({ name }) => name),
    damaged: tail.damaged,
    minimalLsn,
  };
  const later = backups.filter(isBehind);
  if (minimalLsn === undefined || later.length === 0) return [window];
  const rest = { timeline, spans, range: { begin: minimalLsn + 1n, end: range.end }, backups: later };
  return [window, ...(await measureWindows(deps, rest, extent, signal))];
}

function backupsWithin(
  spans: readonly TimelineSpan[],
  range: LsnRange,
  backups: readonly BackupSpan[],
): BackupSpan[] {
  return backups
    .filter((backup) => backup.usable && isAncestor(spans, backup.timeline, endOf(backup)))
    .filter((backup) => rangeOf([range], backup) !== undefined)
    .sort((a, b) => (endOf(a) < endOf(b) ? -1 : 1));
}
