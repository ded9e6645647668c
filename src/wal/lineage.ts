import type { Lsn } from './lsn.ts';

/** Lines of a `.history` file, oldest first: `timeline` was left at `end`. */
export type TimelineHistory = readonly TimelineEnd[];

export interface TimelineEnd {
  timeline: number;
  end: Lsn;
}

/** One stretch of the WAL that leads to a timeline: [begin, end) of `timeline`; the last has no end. */
export interface Stretch {
  timeline: number;
  begin: Lsn;
  end: Lsn | undefined;
}
