import { coveredRanges, type Gap, type LsnRange, missingRanges, type Segments, segmentsOf } from './gaps.ts';
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
  const liveBackups = backups.filter((backup) => isAncestor(liveSpans, backup.timeline, endOf(backup)));
  // One that began on this way and ended on another counts for where WAL is kept, not for what is reached.
  const begun = backups.filter((backup) => isAncestor(liveSpans, backup.timeline, backup.startLsn));
  const edges = findEdges(archive, begun, liveBackups);
  const live = missingRanges(coveredRanges(archive, liveSpans)).flatMap((missing) => {
    const place = placeOf(archive, missing, edges);
    return segmentsOf(archive, liveSpans, missing).map((gap) => ({ ...gap, place }));
  });
  return gaps.map((gap) => {
    const found = live.find(
      (other) => other.timeline === gap.timeline && other.first <= gap.last && other.last >= gap.first,
    );
    return { ...gap, place: found?.place ?? 'branch' };
  });
}

/** Numbers of the segments with which what is needed begins and ends. */
interface Edges {
  oldest: bigint | undefined;
  firsts: ReadonlySet<bigint>;
  lasts: ReadonlySet<bigint>;
}

function findEdges(
  { segmentSize, histories }: Segments,
  backups: readonly BackupSpan[],
  live: readonly BackupSpan[],
): Edges {
  const firstOf = (backup: BackupSpan) => segmentAt(backup.timeline, backup.startLsn, segmentSize).number;
  const firsts = backups.map(firstOf);
  const lasts = backups.map((backup) => segmentBefore(backup.timeline, endOf(backup), segmentSize).number);
  // Retention may keep what leads to another timeline, and no more, beside what leads to this one. The old
  // timeline's last full segment is the one before the switch.
  const branches = [...histories.values()].flat().flatMap(({ switchLsn }) => {
    const last = (switchLsn - 1n) / BigInt(segmentSize);
    return [last - 1n, last];
  });
  const oldest = live
    .map(firstOf)
    .reduce<bigint | undefined>((a, b) => (a !== undefined && a < b ? a : b), undefined);
  return { oldest, firsts: new Set(firsts), lasts: new Set([...lasts, ...branches]) };
}

function placeOf({ segmentSize }: Segments, missing: LsnRange, edges: Edges): GapPlace {
  const size = BigInt(segmentSize);
  const before = (missing.begin - 1n) / size;
  const after = (missing.end - 1n) / size + 1n;
  if (edges.oldest === undefined || edges.oldest >= after) return 'before';
  return edges.lasts.has(before) && edges.firsts.has(after) ? 'trimmed' : 'window';
}
