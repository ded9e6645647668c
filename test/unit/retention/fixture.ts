import type { Backup } from '../../../src/backup/catalog.ts';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { decide, type PolicyInput } from '../../../src/retention/policy.ts';
import type { RetentionRules } from '../../../src/retention/rules.ts';
import { parseHistory } from '../../../src/wal/history.ts';

export const SEGMENT = 16n * 1024n * 1024n;

/** A Saturday, of ISO week 47. */
export const NOW = new Date('2026-11-21T12:00:00Z');

const DAY = 86_400_000;

/** So many days before NOW. */
export function daysAgo(days: number): Date {
  return new Date(NOW.getTime() - days * DAY);
}

/** No rule but those given. */
export function rules(given: Partial<RetentionRules>): RetentionRules {
  const { window, ...rest } = given;
  const days = window === undefined ? undefined : window * DAY;
  return { full: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, timeZone: 'UTC', ...rest, window: days };
}

export interface Given {
  /** Days before NOW, or the time itself. */
  ended: number | string;
  /** Days before NOW when the store got the sentinel; default: nobody knows. */
  stored?: number;
  /** Segment in which it starts and stops. */
  at: number;
  timeline?: number;
  /** Name of the parent: then it is a delta. */
  on?: string;
  permanent?: boolean;
  cluster?: bigint | undefined;
  usable?: boolean;
  kind?: Backup['kind'];
}

/** A backup that starts in one segment and stops in the same. */
export function backup(name: string, given: Given): Backup {
  const { ended, at, timeline = 1, on, permanent = false, usable = true } = given;
  const startLsn = BigInt(at) * SEGMENT + 40n;
  return {
    name,
    kind: given.kind ?? (on === undefined ? 'full' : 'delta'),
    startLsn,
    finishLsn: usable ? startLsn + 0x1000n : undefined,
    timeline,
    systemIdentifier: 'cluster' in given ? given.cluster : 7n,
    startTime: undefined,
    finishTime: typeof ended === 'number' ? daysAgo(ended) : new Date(ended),
    ...(given.stored === undefined ? {} : { storedTime: daysAgo(given.stored) }),
    uncompressedSize: 1000,
    storedSize: 100,
    dataSize: 1000,
    pgVersion: 150020,
    permanent,
    hostname: 'h',
    dataDir: '/pg',
    parent: on,
    fullName: undefined,
    deltaCount: undefined,
    userData: undefined,
    usable,
    warnings: [],
  };
}

/** A history file: each timeline and the segment in whose middle it was left. */
export function history(timeline: number, ...entries: [timeline: number, segment: number][]) {
  const lines = entries.map(
    ([id, at]) => `${id}\t${formatLsn(BigInt(at) * SEGMENT + SEGMENT / 2n)}\tpromoted`,
  );
  return [timeline, parseHistory(lines.join('\n'), timeline)] as const;
}

export type World = Partial<Omit<PolicyInput, 'backups' | 'storedUntil'>> & {
  /** Days before NOW when the newest segment of each timeline was stored; default timeline 1, now. */
  stored?: Record<number, number>;
};

/** Runs the policy. @returns of each backup `drop` or the reasons to keep it */
export function judge(
  backups: readonly Backup[],
  given: RetentionRules | undefined,
  { stored = { 1: 0 }, ...world }: World = {},
): Record<string, string> {
  const storedUntil = new Map(Object.entries(stored).map(([id, days]) => [Number(id), daysAgo(days)]));
  const { decisions } = decide(
    { backups, histories: new Map(), withoutWal: new Set(), now: NOW, storedUntil, ...world },
    given,
  );
  return Object.fromEntries(
    decisions.map(({ backup: { name }, keep, reasons }) => [name, keep ? reasons.join(', ') : 'drop']),
  );
}
