import { formatLsn } from '../postgres/lsn.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import type { SegmentHeader } from './check-segment.ts';
import type { WalFile } from './file-name.ts';
import { type HistoryEntry, timelineAt, timelineSpans } from './history.ts';
import { isWalMagic, parsePageHeader, SHORT_HEADER_SIZE } from './page-header.ts';
import { historyName, readHistory } from './read-history.ts';

export interface TimelineDeps {
  store: ObjectStore;
  /** A cluster's pg_wal, where the history is looked for first. */
  walFolder: string | undefined;
  emit: Emit;
}

/** Reads so many bytes of the segment from an offset on. */
type ReadBytes = (offset: number, length: number) => Promise<Buffer>;

/** True for a segment that begins with pages of an older timeline than its name's. */
export function isOfOlderTimeline(file: WalFile, header: SegmentHeader): boolean {
  return header.timeline < file.timeline;
}

/**
 * Judges a segment that begins with a page of an older timeline. The one that holds the switch does: PostgreSQL
 * copies what its parent wrote of it (xlog.c, XLogInitNewTimeline), and its parent may have been in the same place.
 * Anywhere else it is another timeline's segment under a wrong name. Only what the timeline's own history rules
 * out is refused: a segment that is refused by mistake would stop archiving, or recovery, for ever.
 * @returns what is wrong, as a clause; undefined when nothing is, or it cannot be known
 * @throws PgarcError `store-unreachable`
 */
export async function findWrongTimeline(
  deps: TimelineDeps,
  file: WalFile,
  header: SegmentHeader,
  read: ReadBytes,
  signal: AbortSignal,
): Promise<string | undefined> {
  const entries = await readHistory(deps, file.timeline, signal);
  if (entries === undefined) {
    const where = deps.walFolder === undefined ? 'in the archive' : 'in pg_wal or in the archive';
    deps.emit({
      type: 'warning',
      message: `${file.name} begins with timeline ${header.timeline}, and whether that is right is not known: no sound ${historyName(file.timeline)} is ${where}`,
    });
    return undefined;
  }
  return judgeBegin(file, header, entries) ?? (await judgeSwitch(file, header, entries, read));
}

/** By the first page. */
function judgeBegin(
  file: WalFile,
  { timeline, start }: SegmentHeader,
  entries: readonly HistoryEntry[],
): string | undefined {
  const spans = timelineSpans(file.timeline, entries);
  const owner = timelineAt(spans, start);
  if (owner === undefined || owner === timeline) return undefined;
  // Where PostgreSQL had lost the history file of a timeline, the next one's begins with that timeline: what
  // came before is not known then.
  if (owner === spans[0]?.timeline && timeline < owner) return undefined;
  return `its first page is of timeline ${timeline}, and by ${historyName(file.timeline)} timeline ${owner} wrote ${formatLsn(start)}`;
}

/** By where its own timeline begins: not behind the segment, and from there on no page is of another one. */
async function judgeSwitch(
  file: WalFile,
  { start, segmentSize, blockSize }: SegmentHeader,
  entries: readonly HistoryEntry[],
  read: ReadBytes,
): Promise<string | undefined> {
  const { begin } = timelineSpans(file.timeline, entries).at(-1)!;
  const from = `timeline ${file.timeline} begins at ${formatLsn(begin)}`;
  if (begin >= start + BigInt(segmentSize)) return `it ends before ${from}`;
  const offset = Math.max(0, Math.ceil(Number(begin - start) / blockSize)) * blockSize;
  // A partial one keeps what its file held in a former life.
  if (offset >= segmentSize || file.kind !== 'segment') return undefined;
  const page = parsePageHeader(await read(offset, SHORT_HEADER_SIZE));
  const address = start + BigInt(offset);
  // Zeros follow a segment switch.
  if (page === undefined || !isWalMagic(page.magic) || page.pageAddress !== address) return undefined;
  if (page.timeline === file.timeline) return undefined;
  return `its page at ${formatLsn(address)} is of timeline ${page.timeline}, and ${from}`;
}
