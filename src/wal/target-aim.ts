import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { timelineAt } from './history.ts';
import { readTail, scanRecords, type WalPath, type WalTail } from './scan.ts';
import type { Target } from './targets.ts';
import { formatTargetTime, fromDate, type UnixMicros } from './timestamp.ts';
import { parseRestorePoint, parseTransactionEnd } from './transaction-records.ts';
import type { BackupSpan, Moment } from './window.ts';

/** Whether a target is reached from one backup. */
export interface Aim {
  hit: { settings: Record<string, string>; checked: boolean } | undefined;
  /** Why not, as a clause for a message. */
  reason: string;
  /** False when an xid or a name was not looked for. */
  searched: boolean;
  /** The target lies before what this backup reaches, or behind. */
  side: 'before' | 'after' | undefined;
  oldest: Moment;
  newest: Moment | undefined;
}

export interface AimOptions {
  backup: BackupSpan;
  /** From the backup's end on. */
  path: WalPath;
  /** The user chose this backup. */
  named: boolean;
  /** What was read of the same WAL for an earlier backup; shared between calls. */
  known: Map<string, Known>;
}

/** What is known of a stretch of WAL, by where it ends. */
interface Known {
  tail?: WalTail;
  /** A newer backup in it was complete then, so no transaction is missing until then. */
  aliveUntil?: UnixMicros;
  /** An xid or a name is not in the WAL from here on. */
  searchedFrom?: Lsn;
}

/** Bytes of WAL in which an xid or a name is looked for; some ten seconds to a minute. */
const SEARCH_LIMIT = 4n * 2n ** 30n;

/** Tells whether recovery from a backup reaches a target. */
export async function aimAt(target: Target, options: AimOptions, signal: AbortSignal): Promise<Aim> {
  const { backup, path } = options;
  const oldest = { timeline: backup.timeline, lsn: path.range.begin, time: fromDate(backup.finishTime) };
  const aim: Aim = { hit: undefined, reason: '', searched: true, side: undefined, oldest, newest: undefined };
  if (target.kind === 'immediate') return { ...aim, hit: hit('recovery_target', 'immediate') };
  const known = knownOf(options);
  if (target.kind === 'time' && target.time < oldest.time) {
    known.aliveUntil = Math.max(known.aliveUntil ?? 0, oldest.time);
    return { ...aim, side: 'before', reason: 'it ends after the target' };
  }
  if (target.kind === 'lsn' && target.lsn < oldest.lsn) {
    return { ...aim, side: 'before', reason: 'it ends after the target' };
  }
  if (known.tail?.lastEnd === undefined) known.tail = await readTail(path, signal);
  const { lastEnd, lastLsn } = known.tail;
  switch (target.kind) {
    case 'none':
      return {
        ...aim,
        newest: newestMoment(path, known.tail, known.tail.endLsn),
        hit: { settings: {}, checked: true },
      };
    case 'lsn': {
      aim.newest = newestMoment(path, known.tail, lastLsn);
      if (lastLsn !== undefined && target.lsn <= lastLsn) {
        return { ...aim, hit: hit('recovery_target_lsn', formatLsn(target.lsn)) };
      }
      break;
    }
    case 'time': {
      aim.newest = newestMoment(path, known.tail, lastEnd?.lsn);
      if (lastEnd !== undefined && target.time < lastEnd.time) {
        return { ...aim, hit: hit('recovery_target_time', formatTargetTime(target.time)) };
      }
      // No later transaction tells PostgreSQL to stop, but the last one before can be named by its place.
      const until = Math.max(lastEnd?.time ?? 0, known.tail.lastPointTime ?? 0, known.aliveUntil ?? 0);
      const place = lastEnd?.lsn ?? lastLsn;
      if (place !== undefined && target.time <= until) {
        return { ...aim, hit: hit('recovery_target_lsn', formatLsn(place)) };
      }
      break;
    }
    default: {
      aim.newest = newestMoment(path, known.tail, lastLsn);
      return { ...aim, ...(await search(target, options, known, signal)) };
    }
  }
  return { ...aim, side: 'after', reason: 'its WAL ends before the target' };
}

async function search(
  target: Extract<Target, { kind: 'xid' | 'name' }>,
  { path, named }: AimOptions,
  known: Known,
  signal: AbortSignal,
): Promise<Pick<Aim, 'hit' | 'reason' | 'searched'>> {
  const found =
    target.kind === 'xid'
      ? hit('recovery_target_xid', String(target.xid))
      : hit('recovery_target_name', target.name);
  if (path.range.end - path.range.begin > SEARCH_LIMIT) {
    return named
      ? { hit: { ...found, checked: false }, reason: '', searched: false }
      : { hit: undefined, reason: 'the WAL behind it is too long to look for the target', searched: false };
  }
  const end = known.searchedFrom ?? path.range.end;
  known.searchedFrom = path.range.begin;
  let isThere = false;
  await scanRecords(path, signal, (record) => {
    isThere =
      target.kind === 'xid'
        ? parseTransactionEnd(record)?.xid === target.xid
        : parseRestorePoint(record)?.name === target.name;
    return isThere || record.lsn >= end;
  });
  const reason = isThere ? '' : 'its WAL does not hold the target';
  return { hit: isThere ? found : undefined, reason, searched: true };
}

function knownOf({ path, known }: AimOptions): Known {
  const key = `${path.spans.at(-1)?.timeline}/${path.range.end}`;
  const entry = known.get(key) ?? {};
  known.set(key, entry);
  return entry;
}

function newestMoment({ spans }: WalPath, tail: WalTail, lsn: Lsn | undefined): Moment | undefined {
  const at = lsn ?? tail.endLsn;
  if (at === undefined) return undefined;
  return { timeline: timelineAt(spans, at - 1n) ?? 0, lsn: at, time: tail.lastEnd?.time };
}

function hit(name: string, value: string): { settings: Record<string, string>; checked: boolean } {
  return { settings: { [name]: value }, checked: true };
}
