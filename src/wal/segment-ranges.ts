/** Consecutive segments of one timeline, counted from LSN 0; both ends belong to it. */
export interface SegmentRange {
  first: bigint;
  last: bigint;
}
