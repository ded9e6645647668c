import { PgarcError } from '../errors.ts';
import type { Lsn } from '../postgres/lsn.ts';

/** One line of a history file: `timeline` was left at `switchLsn` (its first byte that is not ours). */
export interface HistoryEntry {
  timeline: number;
  switchLsn: Lsn;
  reason: string;
}

/** A stretch of WAL: bytes from `begin` up to, not including, `end`; undefined is open. */
export interface TimelineSpan {
  timeline: number;
  begin: Lsn;
  end: Lsn | undefined;
}

const LINE = /^\s*(\d{1,10})\s+([0-9A-F]{1,8})\/([0-9A-F]{1,8})(?:\s+(.*))?$/i;

/**
 * Reads the history file of `timeline` (timeline.c, readTimeLineHistory): oldest entry first.
 * @throws PgarcError `wal-invalid` for what PostgreSQL would refuse, and for a file without an entry
 */
export function parseHistory(text: string, timeline: number): HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const match = LINE.exec(line);
    if (match === null) throw damaged(timeline, `line "${line.slice(0, 80)}" is not one of its entries`);
    const [, id, high, low, reason = ''] = match;
    const entry = {
      timeline: Number(id),
      switchLsn: (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`),
      reason: reason.trim(),
    };
    const previous = entries.at(-1);
    if (previous !== undefined && entry.timeline <= previous.timeline) {
      throw damaged(timeline, `timeline ${entry.timeline} follows timeline ${previous.timeline}`);
    }
    entries.push(entry);
  }
  const parent = entries.at(-1);
  if (parent === undefined) throw damaged(timeline, 'it names no parent timeline');
  if (parent.timeline >= timeline) throw damaged(timeline, `its parent would be timeline ${parent.timeline}`);
  return entries;
}

/**
 * The WAL that leads to `timeline`: its ancestors' stretches, oldest first, and its own, which is open.
 * Timeline 1, and one whose history file is nowhere, has no entries.
 *
 * Recovery towards a timeline may end before that timeline begins; PostgreSQL names it as the parent all the same,
 * and its switch lies before the one above it. Then nothing behind the later line's place is an ancestor's
 * (timeline.c, tliOfPointInHistory looks from the newest on).
 */
export function timelineSpans(timeline: number, entries: readonly HistoryEntry[]): TimelineSpan[] {
  const ends: Lsn[] = [];
  for (const { switchLsn } of entries.toReversed()) {
    const later = ends.at(-1);
    ends.push(later !== undefined && later < switchLsn ? later : switchLsn);
  }
  ends.reverse();
  const spans: TimelineSpan[] = entries.map((entry, index) => ({
    timeline: entry.timeline,
    begin: ends[index - 1] ?? 0n,
    end: ends[index],
  }));
  spans.push({ timeline, begin: ends.at(-1) ?? 0n, end: undefined });
  return spans;
}

/**
 * Which timeline wrote the byte at `lsn` on the way to the last span (timeline.c, tliOfPointInHistory).
 * For an end position, which is one past the last byte, ask for `lsn - 1n`.
 */
export function timelineAt(spans: readonly TimelineSpan[], lsn: Lsn): number | undefined {
  return spans.find((span) => span.begin <= lsn && (span.end === undefined || lsn < span.end))?.timeline;
}

/**
 * True when WAL written on `timeline` up to `lsn` (one past its last byte) is part of the history the
 * spans describe, so that a backup which ends there can be recovered to the last span's timeline.
 */
export function isAncestor(spans: readonly TimelineSpan[], timeline: number, lsn: Lsn): boolean {
  return spans.some((span) => span.timeline === timeline && (span.end === undefined || lsn <= span.end));
}

function damaged(timeline: number, what: string): PgarcError {
  return new PgarcError('wal-invalid', `the history file of timeline ${timeline} is damaged: ${what}`);
}
