import type { Backup } from '../backup/catalog.ts';
import { parseBackupName } from '../backup/format/backup-name.ts';
import type { Archive } from '../wal/archive.ts';
import { formatSegmentName, parseSegmentName } from '../wal/segment.ts';
import { hasSegment, type SegmentRange } from '../wal/segment-ranges.ts';
import { cover, OPEN, subtract } from './intervals.ts';
import type { PolicyResult } from './policy.ts';
import type { WalFiles } from './wal-files.ts';

/** A backup's last segment may reach the store after its sentinel; ms. */
const LATE = 3_600_000;

export interface WalPlanInput {
  archive: Pick<Archive, 'segmentSize' | 'segments' | 'histories'>;
  wal: Pick<WalFiles, 'lastStoredBy'>;
  policy: Omit<PolicyResult, 'decisions'>;
  /** All backups there are. */
  backups: readonly Backup[];
  /** Those of them that stay. */
  kept: readonly Backup[];
  /** Names of backups that are being made. */
  running: readonly string[];
}

/** Segments of one timeline that go; both ends belong to it. */
export interface WalDrop extends SegmentRange {
  timeline: number;
}

export interface WalPlan {
  /** By timeline and place. */
  drops: readonly WalDrop[];
  /** Whether the WAL files named after this segment go: itself, its `.partial`, its `.backup`. */
  isDropped(timeline: number, number: bigint): boolean;
  /** Why WAL stays that the rules alone would let go; clauses for people. */
  notes: readonly string[];
}

/**
 * Decides which WAL goes: what no kept backup needs and no promised moment. Pure. What stays, of each
 * timeline: from the start of a continuous stretch on, along its history; start to stop of every kept backup
 * and everything from the newest backup, or one being made, on, whatever the timeline: there segments of two
 * timelines hold the same bytes, or nobody can tell yet which will be needed. History files always stay.
 */
export function planWal(input: WalPlanInput): WalPlan {
  const { archive, policy, running } = input;
  const nothing: WalPlan = { drops: [], isDropped: () => false, notes: [] };
  if (policy.keepsAllWal || policy.frontier.length === 0) return nothing;
  const misfit = input.backups.find((backup) => backup.usable && !fits(backup, archive.segmentSize));
  if (misfit !== undefined) {
    const note = `${misfit.name} does not fit WAL segments of ${archive.segmentSize / 2 ** 20} MiB: no WAL is dropped`;
    return { ...nothing, notes: [note] };
  }
  const everywhere = keepRunning(input);
  if (typeof everywhere === 'string') return { ...nothing, notes: [everywhere] };
  const notes = [...policy.untouched].map(
    ([timeline, why]) => `the WAL of timeline ${timeline} stays: ${why}`,
  );
  if (running.length > 0) notes.push(`a backup is being made, and its WAL stays: ${running.join(', ')}`);

  notes.push(...noteDamaged(input));

  const own = findOwn(input);
  const kept = new Map<number, readonly SegmentRange[]>();
  const keptOn = (timeline: number): readonly SegmentRange[] => {
    const known = kept.get(timeline);
    if (known !== undefined) return known;
    const ranges = policy.untouched.has(timeline)
      ? [{ first: 0n, last: OPEN }]
      : cover([
          ...everywhere,
          ...keepNewest(input, timeline),
          ...keepContinuous(policy, timeline, archive.segmentSize),
          ...own(timeline),
        ]);
    kept.set(timeline, ranges);
    return ranges;
  };
  const drops = [...archive.segments].flatMap(([timeline, stored]) =>
    subtract(stored, keptOn(timeline)).map((range) => ({ timeline, ...range })),
  );
  return { drops, isDropped: (timeline, number) => !hasSegment(keptOn(timeline), number), notes };
}

/** WAL of backups that are being made, whatever the timeline. @returns why nothing can be said, as a clause */
function keepRunning({ archive, running }: WalPlanInput): SegmentRange[] | string {
  const ranges: SegmentRange[] = [];
  for (const name of running) {
    const first = startNumber(name, archive.segmentSize);
    if (first === undefined) return `${name} is being made, and its WAL is not known: no WAL is dropped`;
    ranges.push({ first, last: OPEN });
  }
  return ranges;
}

/** Everything from the newest backup on: nobody can tell yet which timeline will be needed. */
function keepNewest({ archive, policy }: WalPlanInput, timeline: number): SegmentRange[] {
  const frontier = policy.frontierOn.get(timeline) ?? policy.frontier;
  return frontier.map(({ name }) => ({ first: startNumber(name, archive.segmentSize)!, last: OPEN }));
}

/**
 * Start to stop of the kept backups, on the timeline they began on. A standby's may stop on another, or in a
 * segment that is only stored under the name of one that left in the middle of it: where the own timeline does
 * not have it all, those that left it meanwhile keep theirs.
 */
function findOwn(input: WalPlanInput): (timeline: number) => SegmentRange[] {
  const { archive, kept } = input;
  const size = BigInt(archive.segmentSize);
  const needs = kept.flatMap((backup) => {
    const first = startNumber(backup.name, archive.segmentSize);
    // Without a place in WAL it is no backup of PostgreSQL.
    if (first === undefined) return [];
    const { finishLsn } = backup;
    const last = finishLsn === undefined ? lastOfDamaged(input, backup, first) : (finishLsn - 1n) / size;
    const own = archive.segments.get(backup.timeline) ?? [];
    return [
      { ...backup, first, last, isWhole: own.some((range) => range.first <= first && range.last >= last) },
    ];
  });
  const byTimeline = Map.groupBy(needs, ({ timeline }) => timeline);
  return (timeline) => [
    ...(byTimeline.get(timeline) ?? []),
    ...(archive.histories.get(timeline) ?? []).flatMap(({ timeline: left, switchLsn }) =>
      (byTimeline.get(left) ?? []).filter(
        ({ isWhole, startLsn, last }) => !isWhole && switchLsn > startLsn && switchLsn / size <= last,
      ),
    ),
  ];
}

/**
 * The last segment that a damaged backup without a known stop can need: its sentinel was stored after it had
 * ended. What comes and goes beside it must not move that, or all later WAL would stay with it.
 */
function lastOfDamaged({ archive, wal }: WalPlanInput, backup: Backup, first: bigint): bigint {
  const { timeline, storedTime = backup.finishTime } = backup;
  const last = wal.lastStoredBy(timeline, new Date(storedTime.getTime() + LATE), archive.segmentSize);
  return last === undefined || last < first ? first : last;
}

function noteDamaged(input: WalPlanInput): string[] {
  const { segmentSize } = input.archive;
  return input.kept.flatMap((backup) => {
    const first = startNumber(backup.name, segmentSize);
    if (backup.finishLsn !== undefined || first === undefined) return [];
    const last = lastOfDamaged(input, backup, first);
    const [from, to] = [first, last].map((number) =>
      formatSegmentName({ timeline: backup.timeline, number }, segmentSize),
    );
    const range = from === to ? `${from} stays` : `${from} to ${to} stays`;
    return [`${backup.name} is damaged: of its WAL ${range}, which was stored before its sentinel`];
  });
}

function keepContinuous(
  policy: Pick<PolicyResult, 'continuous'>,
  timeline: number,
  segmentSize: number,
): SegmentRange[] {
  const size = BigInt(segmentSize);
  return policy.continuous.flatMap(({ spans, from }) =>
    spans
      .filter((span) => span.timeline === timeline && (span.end === undefined || span.end > from.startLsn))
      .map((span) => {
        const begin = span.begin > from.startLsn ? span.begin : from.startLsn;
        return { first: begin / size, last: span.end === undefined ? OPEN : (span.end - 1n) / size };
      }),
  );
}

function fits(backup: Backup, segmentSize: number): boolean {
  return startNumber(backup.name, segmentSize) === backup.startLsn / BigInt(segmentSize);
}

function startNumber(name: string, segmentSize: number): bigint | undefined {
  return parseSegmentName(parseBackupName(name)?.segment ?? '', segmentSize)?.number;
}
