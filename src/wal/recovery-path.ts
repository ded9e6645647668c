import { type Segments, spansOf } from './gaps.ts';
import { isAncestor, type TimelineSpan } from './history.ts';
import { type BackupSpan, endOf } from './window.ts';

/** The way recovery would take from a backup. */
export interface RecoveryPath {
  /** What recovery_target_timeline stands for. */
  timeline: number;
  spans: readonly TimelineSpan[];
}

/**
 * Finds the way PostgreSQL takes from a backup for a recovery_target_timeline. `latest` is the last of the
 * timelines numbered on from the backup's own whose history files follow each other without a break
 * (timeline.c, findNewestTimeLine), even when it branched off elsewhere: then recovery refuses to start.
 * @returns why there is none, as a clause for a message
 */
export function findPath(
  archive: Segments,
  backup: BackupSpan,
  target: number | 'latest' | 'current',
): RecoveryPath | string {
  const timeline = resolveTimeline(archive, backup.timeline, target);
  if (timeline !== backup.timeline && !archive.histories.has(timeline)) {
    return `there is no history file of timeline ${timeline}`;
  }
  const spans = spansOf(archive, timeline);
  return isAncestor(spans, backup.timeline, endOf(backup))
    ? { timeline, spans }
    : `timeline ${timeline} does not continue timeline ${backup.timeline} from where this backup ends`;
}

function resolveTimeline(archive: Segments, own: number, target: number | 'latest' | 'current'): number {
  if (target === 'current') return own;
  if (target !== 'latest') return target;
  let newest = own;
  while (archive.histories.has(newest + 1)) newest++;
  return newest;
}
