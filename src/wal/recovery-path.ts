import type { Archive, DamagedHistory } from './archive.ts';
import { type Segments, spansOf } from './gaps.ts';
import { isAncestor, type TimelineSpan } from './history.ts';
import { type BackupSpan, endOf } from './window.ts';

/** The way recovery would take from a backup. */
export interface RecoveryPath {
  /** What recovery_target_timeline stands for. */
  timeline: number;
  spans: readonly TimelineSpan[];
}

/** What ways are found in. */
export type Timelines = Segments & Partial<Pick<Archive, 'damagedHistories'>>;

/**
 * Finds the way PostgreSQL takes from a backup for a recovery_target_timeline. `latest` is the last of the
 * timelines numbered on from the backup's own whose history files follow each other without a break
 * (timeline.c, findNewestTimeLine), even when it branched off elsewhere: then recovery refuses to start.
 * @returns why there is none, as a clause for a message
 */
export function findPath(
  archive: Timelines,
  backup: BackupSpan,
  target: number | 'latest' | 'current',
): RecoveryPath | string {
  const damaged = findDamage(archive, backup, target);
  if (damaged !== undefined) return damaged.reason;
  const timeline = resolveTimeline(archive, backup.timeline, target);
  if (timeline !== backup.timeline && !archive.histories.has(timeline)) {
    return `there is no history file of timeline ${timeline}`;
  }
  const spans = spansOf(archive, timeline);
  return isAncestor(spans, backup.timeline, endOf(backup))
    ? { timeline, spans }
    : `timeline ${timeline} does not continue timeline ${backup.timeline} from where this backup ends`;
}

/**
 * The first unreadable history file that recovery would ask for on its way from a backup. It asks for those of
 * all timelines from its own to the target's, also for one that it does not follow (timeline.c,
 * restoreTimeLineHistoryFiles), and does not start when it gets none that is whole.
 */
export function findDamage(
  archive: Timelines,
  backup: BackupSpan,
  target: number | 'latest' | 'current',
): DamagedHistory | undefined {
  const last = resolveTimeline(archive, backup.timeline, target);
  return inOrder(archive).find(({ timeline }) => timeline >= backup.timeline && timeline <= last);
}

/** The unreadable history file that PostgreSQL comes upon when recovery ends and it looks for a free number. */
export function findDamageAtEnd(archive: Timelines, timeline: number): DamagedHistory | undefined {
  const last = countUp(archive, timeline);
  return inOrder(archive).find((damaged) => damaged.timeline > timeline && damaged.timeline <= last);
}

function resolveTimeline(archive: Timelines, own: number, target: number | 'latest' | 'current'): number {
  if (target === 'current') return own;
  return target === 'latest' ? countUp(archive, own) : target;
}

/** The last timeline before a number without a history file; PostgreSQL looks whether there is one, not into it. */
function countUp({ histories, damagedHistories }: Timelines, from: number): number {
  let newest = from;
  while (histories.has(newest + 1) || damagedHistories?.has(newest + 1)) newest++;
  return newest;
}

function inOrder({ damagedHistories }: Timelines): DamagedHistory[] {
  return [...(damagedHistories?.values() ?? [])].sort((a, b) => a.timeline - b.timeline);
}
