import { coveredRanges, type Gap, missingRanges, type Segments, segmentsOf } from './gaps.ts';
import { isAncestor, type TimelineSpan } from './history.ts';
import { segmentAt, segmentBefore } from './segment.ts';
import { type BackupSpan, endOf } from './window.ts';

/**
 * Where a gap lies. `window`: moments after the oldest backup cannot be reached. `before`: no backup needs it.
 * `trimmed`: between what two backups need, as retention leaves it. `branch`: on a timeline that does not
 * lead to the newest one.
 */
export type GapPlace = 'window' | 'before' | 'trimmed' | 'branch';

export interface JudgedGap extends Gap {
  place: GapPlace;
}

/** Tells of each gap whether it takes away moments one would want to reach. */
export function classifyGaps(
  archive: Segments,
  liveSpans: readonly TimelineSpan[],
  backups: readonly BackupSpan[],
  gaps: readonly Gap[],
): JudgedGap[] {
  const live = missingRanges(coveredRanges(archive, liveSpans)).flatMap((missing) =>
    segmentsOf(archive, liveSpans, missing),
  );
  const liveBackups = backups.filter((backup) => isAncestor(liveSpans, backup.timeline, endOf(backup)));
  return gaps.map((gap) => ({ ...gap, place: placeOf(archive, gap, live, liveBackups) }));
}

function placeOf(
  { segmentSize }: Segments,
  gap: Gap,
  live: readonly Gap[],
  backups: readonly BackupSpan[],
): GapPlace {
  const isLive = live.some(
    (other) => other.timeline === gap.timeline && other.first <= gap.last && other.last >= gap.first,
  );
  if (!isLive) return 'branch';
  const needs = backups.map((backup) => ({
    first: segmentAt(backup.timeline, backup.startLsn, segmentSize).number,
    last: segmentBefore(backup.timeline, endOf(backup), segmentSize).number,
  }));
  if (!needs.some(({ first }) => first <= gap.last)) return 'before';
  const endsBackup = needs.some(({ last }) => last + 1n === gap.first);
  const meetsBackup = needs.some(({ first }) => first - 1n === gap.last);
  return endsBackup && meetsBackup ? 'trimmed' : 'window';
}
