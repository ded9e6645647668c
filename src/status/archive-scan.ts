import { formatLsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import { listArchive, requireHistories } from '../wal/archive.ts';
import { classifyGaps } from '../wal/gap-place.ts';
import { findGaps, type Gap, spansOf } from '../wal/gaps.ts';
import { formatSegmentName } from '../wal/segment.ts';
import { StoredWal } from '../wal/stored-wal.ts';
import { formatTimestamp, type UnixMicros } from '../wal/timestamp.ts';
import { type BackupSpan, findWindows, measureWindow, type WindowSpan } from '../wal/window.ts';

/** What one listing of the WAL tells, as it is kept for others: JSON without bigints. Sizes are bytes. */
export interface ArchiveScan {
  /** RFC 3339. */
  at: string;
  segments: number;
  storedBytes: number;
  /** The name of the newest segment of each timeline. */
  newest: readonly string[];
  /** The newest span in which every moment can be recovered; null when there is none. */
  window: ScannedWindow | null;
  /** Gaps inside the window, and the segments missing there. */
  gaps: number;
  missingSegments: number;
  /** The first few of them. */
  missing: readonly { first: string; last: string }[];
  /** Usable backups of which some WAL is missing; the first few names, and how many. */
  broken: readonly string[];
  brokenCount: number;
}

/** Times RFC 3339, LSNs `X/Y`. `to` is null when no transaction ended since. */
export interface ScannedWindow {
  timeline: number;
  from: string;
  to: string | null;
  fromLsn: string;
  toLsn: string;
  backups: number;
}

const NAMES_KEPT = 10;

/**
 * Lists the WAL once and reads where it ends: a page of a thousand names a request, and one or two segments.
 * @throws PgarcError `store-unreachable`, `object-damaged`
 */
export async function scanArchive(
  deps: { store: ObjectStore; backups: readonly BackupSpan[] },
  signal: AbortSignal,
): Promise<ArchiveScan> {
  const at = new Date().toISOString();
  const archive = await listArchive(deps.store, signal);
  requireHistories(archive);
  const backups = deps.backups.filter(({ usable }) => usable);
  const current = Math.max(0, ...archive.segments.keys(), ...backups.map(({ timeline }) => timeline));
  const liveSpans = current === 0 ? [] : spansOf(archive, current);
  const gaps = classifyGaps(archive, liveSpans, backups, findGaps(archive)).filter(
    ({ place }) => place === 'window',
  );
  const windows = findWindows(archive, backups);
  const reached = new Set(windows.flatMap((window) => window.backups.map(({ name }) => name)));
  const broken = backups.map(({ name }) => name).filter((name) => !reached.has(name));
  const newest = chooseNewest(windows);
  const nameOf = ({ timeline }: Gap, number: bigint) =>
    formatSegmentName({ timeline, number }, archive.segmentSize);
  return {
    at,
    segments: archive.segmentCount,
    storedBytes: archive.storedBytes,
    newest: [...archive.segments].flatMap(([timeline, ranges]) => {
      const number = ranges.at(-1)?.last;
      return number === undefined ? [] : [formatSegmentName({ timeline, number }, archive.segmentSize)];
    }),
    window: newest === undefined ? null : await measure(new StoredWal(deps.store), archive, newest, signal),
    gaps: gaps.length,
    missingSegments: gaps.reduce((sum, { first, last }) => sum + Number(last - first + 1n), 0),
    missing: gaps
      .slice(0, NAMES_KEPT)
      .map((gap) => ({ first: nameOf(gap, gap.first), last: nameOf(gap, gap.last) })),
    broken: broken.slice(0, NAMES_KEPT),
    brokenCount: broken.length,
  };
}

/** On the newest timeline the one that goes farthest. */
function chooseNewest(windows: readonly WindowSpan[]): WindowSpan | undefined {
  return windows.toSorted((a, b) => a.timeline - b.timeline || (a.range.end < b.range.end ? -1 : 1)).at(-1);
}

async function measure(
  wal: StoredWal,
  archive: Awaited<ReturnType<typeof listArchive>>,
  span: WindowSpan,
  signal: AbortSignal,
): Promise<ScannedWindow> {
  const { timeline, from, to, backups } = await measureWindow({ wal, archive }, span, signal);
  return {
    timeline,
    from: formatTime(from.time) ?? span.backups[0]!.finishTime.toISOString(),
    to: formatTime(to.time) ?? null,
    fromLsn: formatLsn(from.lsn),
    toLsn: formatLsn(to.lsn),
    backups: backups.length,
  };
}

function formatTime(time: UnixMicros | undefined): string | undefined {
  return time === undefined ? undefined : formatTimestamp(time);
}
