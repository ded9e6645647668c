import { formatLsn } from '../src/postgres/lsn.ts';
import { formatTimestamp } from '../src/wal/timestamp.ts';
import type { Moment } from '../src/wal/window.ts';

/** A moment as --json prints it: LSN `X/Y`, time RFC 3339 with microseconds, null where none is known. */
export function describeMoment({ timeline, lsn, time }: Moment): unknown {
  return { timeline, lsn: formatLsn(lsn), time: time === undefined ? null : formatTimestamp(time) };
}
