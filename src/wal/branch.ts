import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { classifyWalFile } from './file-name.ts';
import { type HistoryEntry, parseHistory, type TimelineSpan, timelineSpans } from './history.ts';
import { historyName } from './read-history.ts';
import { parseSegmentName, type Segment, segmentStart } from './segment.ts';

/**
 * What of a segment belongs to the history that a recovering server follows. A primary that was replaced may come
 * back and archive more of its timeline than its successor took over; PostgreSQL takes such a segment when its
 * successor's is not archived yet, replays what was never part of its history, and then finds that nothing fits
 * (xlogrecovery.c, XLogFileReadAnyTLI looks at where a timeline begins, not at where it was left).
 *
 * A history file in pg_wal does not say that the server follows it. PostgreSQL keeps every one it has read
 * (timeline.c, readTimeLineHistory calls KeepFileRestoredFromArchive), also one it rejects right after, because that
 * timeline forked off before the point it has replayed (xlogrecovery.c, rescanLatestTimeLine): then it stays where it
 * is. What it asks for does say it. XLogFileReadAnyTLI tries a segment's number under each timeline of the history it
 * follows, newest first, and passes over those that begin in a later segment; only then does it ask for the older
 * timeline's. So the followed timelines that begin in or before a segment were all asked for just before
 * (replay-request.ts), and without that a segment belongs to the server as it is.
 */
export interface Branch {
  /** Where the server's history leaves the segment's timeline. */
  switchLsn: Lsn;
  /** The timeline it leads to. */
  followed: number;
  /** Bytes of the segment before that place, 0 when there are none. */
  ownBytes: number;
}

/**
 * Looks whether the history that the server in `pgdata` follows leaves the segment's timeline inside the segment or
 * before it. It is in pg_wal, so this asks nobody.
 * @param asked segments that the server's replay asked for just before, and did not get
 * @returns undefined when all of the segment belongs to it, or the contrary is not proven
 */
export async function findBranch(
  pgdata: string,
  name: string,
  segmentSize: number,
  asked: readonly string[],
): Promise<Branch | undefined> {
  const segment = parseSegmentName(name, segmentSize);
  if (segment === undefined) return undefined;
  const timelines = askedTimelines(asked, segment, segmentSize);
  if (timelines.size === 0 || !(await isRecovering(pgdata))) return undefined;
  const walFolder = join(pgdata, 'pg_wal');
  for (const followed of await listTimelines(walFolder, segment.timeline + 1)) {
    const entries = await readEntries(walFolder, followed);
    if (!isFollowed(followed, entries, { segment, segmentSize }, timelines)) continue;
    const switchLsn = findEnd(timelineSpans(followed, entries), segment.timeline);
    const start = segmentStart(segment, segmentSize);
    if (switchLsn === undefined || switchLsn >= start + BigInt(segmentSize)) continue;
    return { switchLsn, followed, ownBytes: switchLsn > start ? Number(switchLsn - start) : 0 };
  }
  return undefined;
}

/**
 * Whether any history in pg_wal, followed or not, leaves the segment's timeline before the segment's end.
 * @param from places before it do not count
 */
export async function mayBeLeft(
  pgdata: string,
  name: string,
  segmentSize: number,
  from: Lsn,
): Promise<boolean> {
  const segment = parseSegmentName(name, segmentSize);
  if (segment === undefined) return false;
  const end = segmentStart(segment, segmentSize) + BigInt(segmentSize);
  // A history that is contained in a newer one leaves a timeline nowhere else, and there may be hundreds.
  const contained = new Set<number>();
  const walFolder = join(pgdata, 'pg_wal');
  for (const timeline of await listTimelines(walFolder, segment.timeline + 1)) {
    if (contained.has(timeline)) continue;
    const entries = await readEntries(walFolder, timeline);
    for (const entry of entries) contained.add(entry.timeline);
    const left = findEnd(timelineSpans(timeline, entries), segment.timeline);
    if (left !== undefined && left >= from && left < end) return true;
  }
  return false;
}

/** Whether to have asked for this segment can prove anything to findBranch: a history leaves an older timeline by then. */
export async function isProof(pgdata: string, name: string, segmentSize: number): Promise<boolean> {
  const segment = parseSegmentName(name, segmentSize);
  if (segment === undefined) return false;
  const end = segmentStart(segment, segmentSize) + BigInt(segmentSize);
  const walFolder = join(pgdata, 'pg_wal');
  for (const timeline of await listTimelines(walFolder, segment.timeline)) {
    const spans = await readSpans(walFolder, timeline);
    if (!spans.some((span) => span.timeline === segment.timeline)) continue;
    if (spans.some((span) => span.timeline < segment.timeline && span.end! < end)) return true;
  }
  return false;
}

/** `this server follows timeline 2, whose history leaves timeline 1 at 0/E000148`. */
export function describeBranch({ switchLsn, followed }: Branch, timeline: number): string {
  return `this server follows timeline ${followed}, whose history leaves timeline ${timeline} at ${formatLsn(switchLsn)}`;
}

/** Elsewhere history files in pg_wal are of the past, or wait to be archived. */
async function isRecovering(pgdata: string): Promise<boolean> {
  const signals = ['standby.signal', 'recovery.signal'].map((name) => access(join(pgdata, name)));
  return (await Promise.allSettled(signals)).some(({ status }) => status === 'fulfilled');
}

/** Those under which the segment's number was asked for; empty when anything else was. */
function askedTimelines(
  asked: readonly string[],
  { timeline, number }: Segment,
  segmentSize: number,
): ReadonlySet<number> {
  const segments = asked.map((name) => parseSegmentName(name, segmentSize));
  const isFirst = segments.every((one) => one?.number === number && one.timeline > timeline);
  return new Set(isFirst ? segments.map((one) => one!.timeline) : []);
}

/**
 * Whether a server that asked for the segment's number under these timelines first follows `followed`: it asked for
 * all that XLogFileReadAnyTLI does not pass over, and for none that does not lead there. Where a timeline begins is
 * what the line before it says (timeline.c, readTimeLineHistory).
 */
function isFollowed(
  followed: number,
  entries: readonly HistoryEntry[],
  { segment, segmentSize }: { segment: Segment; segmentSize: number },
  asked: ReadonlySet<number>,
): boolean {
  const newer = entries
    .map(({ switchLsn }, index) => ({ timeline: entries[index + 1]?.timeline ?? followed, begin: switchLsn }))
    .filter(({ timeline }) => timeline > segment.timeline);
  const isComplete = newer.every(
    ({ timeline, begin }) => asked.has(timeline) || begin / BigInt(segmentSize) > segment.number,
  );
  return isComplete && [...asked].every((timeline) => newer.some((one) => one.timeline === timeline));
}

/** Where a timeline was left. */
export function findEnd(spans: readonly TimelineSpan[], timeline: number): Lsn | undefined {
  return spans.find((span) => span.timeline === timeline)?.end;
}

/** Timelines from a number on whose history file is in a folder, newest first. */
export async function listTimelines(walFolder: string, from: number): Promise<number[]> {
  const names = await readdir(walFolder).catch(() => []);
  const timelines = names.flatMap((name) => {
    const file = name.endsWith('.history') ? classifyWalFile(name) : undefined;
    return file?.kind === 'history' && file.timeline >= from ? [file.timeline] : [];
  });
  return timelines.sort((a, b) => b - a);
}

/**
 * What the history file of a timeline in a folder says of where it comes from.
 * @returns nothing for a file that is going, or being written: PostgreSQL itself will say what is wrong with it
 */
export async function readSpans(walFolder: string, timeline: number): Promise<TimelineSpan[]> {
  return timelineSpans(timeline, await readEntries(walFolder, timeline));
}

async function readEntries(walFolder: string, timeline: number): Promise<HistoryEntry[]> {
  try {
    return parseHistory(await readFile(join(walFolder, historyName(timeline)), 'utf8'), timeline);
  } catch {
    return [];
  }
}
