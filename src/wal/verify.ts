import type { Lsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Archive, listArchive } from './archive.ts';
import { classifyGaps, type JudgedGap } from './gap-place.ts';
import { coveredRanges, findGaps, knownTimelines, spansOf } from './gaps.ts';
import type { TimelineSpan } from './history.ts';
import { findPath } from './recovery-path.ts';
import { StoredWal } from './stored-wal.ts';
import { type BackupSpan, findWindows, measureWindows, rangeOf, type Window } from './window.ts';

/** What an archive's WAL is good for. */
export interface WalReport {
  archive: Archive;
  /** The newest timeline, or undefined in an archive without WAL. */
  current: number | undefined;
  timelines: readonly TimelineReport[];
  windows: readonly Window[];
  /** Usable backups of which some WAL is missing, so that they cannot be recovered. */
  broken: readonly BrokenBackup[];
  /** False when a gap lies inside the window, a live backup's WAL is incomplete, or damage or `minimal` was met. */
  ok: boolean;
}

export interface TimelineReport {
  timeline: number;
  /** Undefined for timeline 1, and when the history file is missing or damaged. */
  parent: { timeline: number; switchLsn: Lsn } | undefined;
  historyMissing: boolean;
  /** On the way to the newest timeline. */
  live: boolean;
  segments: bigint;
  /** Numbers of the first and last segment; undefined when only the history file is stored. */
  first: bigint | undefined;
  last: bigint | undefined;
  gaps: readonly JudgedGap[];
}

export interface BrokenBackup {
  name: string;
  timeline: number;
  /** On the way to the newest timeline. */
  live: boolean;
}

/**
 * Lists the archive and tells its gaps and windows. Reads little: history files, and the segments at the end
 * of each window.
 * @param extent `whole` reads all WAL of the windows, and so finds every place where wal_level = minimal ends one
 * @throws PgarcError `store-unreachable`, `object-damaged`
 */
export async function verifyWal(
  deps: { store: ObjectStore; backups: readonly BackupSpan[] },
  signal: AbortSignal,
  extent: 'end' | 'whole' = 'end',
): Promise<WalReport> {
  const archive = await listArchive(deps.store, signal);
  const backups = deps.backups.filter((backup) => backup.usable);
  const current = currentTimeline(archive, backups);
  const liveSpans = current === undefined ? [] : spansOf(archive, current);
  const gaps = classifyGaps(archive, liveSpans, backups, findGaps(archive));
  const wal = new StoredWal(deps.store);
  const windows: Window[] = [];
  for (const span of findWindows(archive, backups)) {
    // Recovery to a timeline begins with its history file.
    if (archive.damagedHistories.has(span.timeline)) continue;
    windows.push(...(await measureWindows({ wal, archive }, span, extent, signal)));
  }
  const broken = findBroken(archive, backups, liveSpans);
  return {
    archive,
    current,
    timelines: knownTimelines(archive).map((timeline) =>
      describeTimeline(archive, timeline, liveSpans, gaps),
    ),
    windows,
    broken,
    ok:
      !gaps.some((gap) => gap.place === 'window') &&
      !broken.some((backup) => backup.live) &&
      !windows.some(({ damaged, minimalLsn }) => damaged.length > 0 || minimalLsn !== undefined) &&
      archive.damagedHistories.size === 0,
  };
}

// A history file alone makes no timeline: recovery writes it before the first segment is full.
function currentTimeline(archive: Archive, backups: readonly BackupSpan[]): number | undefined {
  const used = [...archive.segments.keys(), ...backups.map((backup) => backup.timeline)];
  return used.length === 0 ? undefined : used.reduce((a, b) => Math.max(a, b));
}

function describeTimeline(
  archive: Archive,
  timeline: number,
  liveSpans: readonly TimelineSpan[],
  gaps: readonly JudgedGap[],
): TimelineReport {
  const parent = archive.histories.get(timeline)?.at(-1);
  const ranges = archive.segments.get(timeline) ?? [];
  return {
    timeline,
    parent,
    historyMissing: timeline > 1 && parent === undefined && !archive.damagedHistories.has(timeline),
    live: liveSpans.some((span) => span.timeline === timeline),
    segments: ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n),
    first: ranges[0]?.first,
    last: ranges.at(-1)?.last,
    gaps: gaps.filter((gap) => gap.timeline === timeline),
  };
}

function findBroken(
  archive: Archive,
  backups: readonly BackupSpan[],
  liveSpans: readonly TimelineSpan[],
): BrokenBackup[] {
  return backups
    .filter((backup) => !isRecoverable(archive, backup))
    .map(({ name, timeline, finishLsn, startLsn }) => ({
      name,
      timeline,
      live: liveSpans.some(
        (span) =>
          span.timeline === timeline && (span.end === undefined || (finishLsn ?? startLsn) <= span.end),
      ),
    }));
}

function isRecoverable(archive: Archive, backup: BackupSpan): boolean {
  return (['current', 'latest'] as const).some((target) => {
    const path = findPath(archive, backup, target);
    return typeof path !== 'string' && rangeOf(coveredRanges(archive, path.spans), backup) !== undefined;
  });
}
