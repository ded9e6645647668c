import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { timelineAt } from './history.ts';
import { describeMinimal, findMinimalAtStarts } from './minimal.ts';
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
  /** Where recovery would stop with an error, because wal_level was minimal from there on. */
  minimalLsn: Lsn | undefined;
}

export interface AimOptions {
  backup: BackupSpan;
  /** From the backup's end on. */
  path: WalPath;
  /** The user chose this backup. */
  named: boolean;
  /** What was read of the same WAL for an earlier backup; shared between calls. */
  known: Map<string, Known>;
  /** What was read of the beginnings of segments; shared between calls, too. */
  starts: Map<string, Lsn | undefined>;
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
  const { backup, path: whole } = options;
  const oldest = { timeline: backup.timeline, lsn: whole.range.begin, time: fromDate(backup.finishTime) };
  const aim: Aim = {
    ...{ hit: undefined, reason: '', searched: true, side: undefined },
    ...{ oldest, newest: undefined, minimalLsn: undefined },
  };
  if (target.kind === 'immediate') return { ...aim, hit: hit('recovery_target', 'immediate') };
  if (target.kind === 'time' && target.time < oldest.time) {
    const passed = knownOf(whole, options);
    passed.aliveUntil = Math.max(passed.aliveUntil ?? 0, oldest.time);
    return { ...aim, side: 'before', reason: 'it ends after the target' };
  }
  if (target.kind === 'lsn' && target.lsn < oldest.lsn) {
    return { ...aim, side: 'before', reason: 'it ends after the target' };
  }
  const minimalAtStart = await findMinimalAtStarts(whole, options.starts, signal);
  const path = minimalAtStart === undefined ? whole : cutAt(whole, minimalAtStart);
  const known = knownOf(path, options);
  if (known.tail?.lastEnd === undefined) known.tail = await readTail(path, signal);
  const { lastEnd, lastLsn } = known.tail;
  aim.minimalLsn = known.tail.minimalLsn ?? minimalAtStart;
  switch (target.kind) {
    case 'none':
      if (aim.minimalLsn !== undefined) {
        aim.newest = newestMoment(path, known.tail, lastLsn);
        break;
      }
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
      const aliveUntil = aim.minimalLsn === undefined ? known.aliveUntil : undefined;
      const until = Math.max(lastEnd?.time ?? 0, known.tail.lastPointTime ?? 0, aliveUntil ?? 0);
      const place = lastEnd?.lsn ?? lastLsn;
      if (place !== undefined && target.time <= until) {
        return { ...aim, hit: hit('recovery_target_lsn', formatLsn(place)) };
      }
      break;
    }
    default: {
      aim.newest = newestMoment(path, known.tail, lastLsn);
      return { ...aim, ...(await search(target, { ...options, path }, known, aim.minimalLsn, signal)) };
    }
  }
  const reason =
    aim.minimalLsn === undefined ? 'its WAL ends before the target' : describeMinimal(aim.minimalLsn);
  return { ...aim, side: 'after', reason };
}

async function search(
  target: Extract<Target, { kind: 'xid' | 'name' }>,
  { path, named }: AimOptions,
  known: Known,
  minimalKnown: Lsn | undefined,
  signal: AbortSignal,
): Promise<Pick<Aim, 'hit' | 'reason' | 'searched' | 'minimalLsn'>> {
  const found =
    target.kind === 'xid'
      ? hit('recovery_target_xid', String(target.xid))
      : hit('recovery_target_name', target.name);
  if (path.range.end - path.range.begin > SEARCH_LIMIT) {
    return named
      ? { hit: { ...found, checked: false }, reason: '', searched: false, minimalLsn: minimalKnown }
      : {
          ...{ hit: undefined, searched: false, minimalLsn: minimalKnown },
          reason: 'the WAL behind it is too long to look for the target',
        };
  }
  const end = known.searchedFrom ?? path.range.end;
  known.searchedFrom = path.range.begin;
  let isThere = false;
  const scan = await scanRecords(path, signal, (record) => {
    isThere =
      target.kind === 'xid'
        ? parseTransactionEnd(record)?.xid === target.xid
        : parseRestorePoint(record)?.name === target.name;
    return isThere || record.lsn >= end;
  });
  const reason = isThere ? '' : 'its WAL does not hold the target';
  const minimalLsn = scan.minimalLsn ?? minimalKnown;
  return { hit: isThere ? found : undefined, reason, searched: true, minimalLsn };
}

function cutAt(path: WalPath, end: Lsn): WalPath {
  return { ...path, range: { begin: path.range.begin, end } };
}

function knownOf(path: WalPath, { known }: AimOptions): Known {
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
