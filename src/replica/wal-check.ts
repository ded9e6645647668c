import type { Backup } from '../backup/catalog.ts';
import type { Lsn } from '../postgres/lsn.ts';
import { coveredRanges, type Gap, type LsnRange, type Segments, segmentsOf } from '../wal/gaps.ts';
import type { TimelineSpan } from '../wal/history.ts';
import { findPath } from '../wal/recovery-path.ts';
import { endOf } from '../wal/window.ts';

/** Whether the stored WAL leads from a backup to the leader. */
export interface WalCheck {
  contiguous: boolean;
  /** Where the stored WAL ends that follows the backup without a gap. */
  storedTo: Lsn | undefined;
  /** Bytes from there to the leader, which the leader has to send: what it has not archived yet. */
  fromLeader: bigint;
  /** What is missing first. */
  missing: Gap | undefined;
  /** Why the WAL leads nowhere, when it is not a gap. */
  problem: string | undefined;
}

/**
 * Looks at the WAL from a backup's start on. What the leader has written since it archived last is not missing:
 * it keeps that until it is archived. A gap before stored WAL is, and so is a hole in the backup's own WAL.
 * @param end where the leader is; undefined: only the backup's own WAL has to be there
 */
export function checkWal(
  archive: Segments,
  backup: Backup,
  end: { spans: readonly TimelineSpan[]; lsn: Lsn } | undefined,
): WalCheck {
  const spans = end?.spans ?? ownSpans(archive, backup);
  if (typeof spans === 'string') {
    return { contiguous: false, storedTo: undefined, fromLeader: 0n, missing: undefined, problem: spans };
  }
  const covered = coveredRanges(archive, spans);
  const own = covered.find(({ begin, end: last }) => backup.startLsn >= begin && backup.startLsn < last);
  const storedTo = own?.end;
  const next = covered.find(({ begin }) => begin > (storedTo ?? backup.startLsn));
  const target = end?.lsn;
  const missing = findMissing();
  const isShort = storedTo !== undefined && target !== undefined && target > storedTo;
  return {
    contiguous: missing === undefined,
    storedTo,
    fromLeader: missing === undefined && isShort ? target - storedTo : 0n,
    missing: missing === undefined ? undefined : segmentsOf(archive, spans, missing)[0],
    problem: undefined,
  };

  function findMissing(): LsnRange | undefined {
    const begin = storedTo ?? backup.startLsn;
    const finish = endOf(backup);
    if (storedTo === undefined || storedTo < finish) {
      return { begin, end: next?.begin ?? (finish > begin ? finish : begin + 1n) };
    }
    if (next === undefined || target === undefined || next.begin >= target) return undefined;
    return { begin, end: next.begin };
  }
}

function ownSpans(archive: Segments, backup: Backup): readonly TimelineSpan[] | string {
  const path = findPath(archive, backup, 'latest');
  return typeof path === 'string' ? path : path.spans;
}
