import { formatSegmentName, parseSegmentName, type Segment } from '../wal/segment.ts';

/** Prefetched files take no more than this, unless a single segment is larger. Bytes. */
const MOST_BYTES = 512 * 2 ** 20;

/**
 * Which segments replay will want next. Pure: told what was handed over and what the archive had, it names what
 * to fetch. It grows from one segment by doubling while the archive has what it asks for, and falls back to one
 * where the archive ends; there it asks nothing more until somebody got the segment that was missing. So a
 * standby that waits for the next segment costs the store what it costs without a daemon. It never leaves the
 * timeline of the segment handed over last: which one comes next is written in history files, and PostgreSQL
 * reads them.
 */
export class PrefetchWindow {
  readonly #segmentSize: number;
  /** Segments at most. */
  readonly #most: number;
  #size = 1;
  #position: Segment | undefined;
  /** Number of the first segment the archive did not have. */
  #end: bigint | undefined;

  /**
   * @param segmentSize of the cluster, bytes
   * @param most segments ahead; 0 for none
   */
  constructor(segmentSize: number, most: number) {
    this.#segmentSize = segmentSize;
    this.#most = Math.min(most, Math.max(1, Math.floor(MOST_BYTES / segmentSize)));
  }

  /** Replay was handed this segment. Any other name changes nothing. */
  advance(name: string): void {
    const next = parseSegmentName(name, this.#segmentSize);
    if (next === undefined) return;
    if (!this.#isOnTheWay(next)) {
      this.#size = 1;
      this.#end = undefined;
    } else if (this.#end !== undefined && next.number >= this.#end) {
      this.#end = undefined;
    }
    this.#position = next;
  }

  /** A segment ahead was there. */
  found(): void {
    this.#size = Math.min(this.#size * 2, Math.max(1, this.#most));
  }

  /** A segment ahead was not there, or not in order. */
  missed(name: string): void {
    const segment = parseSegmentName(name, this.#segmentSize);
    if (segment === undefined || !this.#isAhead(segment)) return;
    if (this.#end === undefined || segment.number < this.#end) this.#end = segment.number;
    this.#size = 1;
  }

  /** Nobody replays any more. */
  forget(): void {
    this.#position = undefined;
    this.#end = undefined;
    this.#size = 1;
  }

  /** Names to have at hand, the next one first. */
  wanted(): string[] {
    const names: string[] = [];
    if (this.#position === undefined) return names;
    const { timeline, number } = this.#position;
    const ahead = Math.min(this.#size, this.#most);
    for (let next = number + 1n; next <= number + BigInt(ahead); next++) {
      if (this.#end !== undefined && next >= this.#end) break;
      names.push(formatSegmentName({ timeline, number: next }, this.#segmentSize));
    }
    return names;
  }

  /** Whether a segment that is at hand may still be asked for soon. */
  keeps(name: string): boolean {
    const segment = parseSegmentName(name, this.#segmentSize);
    return segment !== undefined && this.#isAhead(segment);
  }

  /** The same segment again, or one of those ahead. */
  #isOnTheWay({ timeline, number }: Segment): boolean {
    const at = this.#position;
    if (at === undefined || at.timeline !== timeline) return false;
    return number >= at.number && number <= at.number + BigInt(Math.max(1, this.#most));
  }

  #isAhead({ timeline, number }: Segment): boolean {
    const at = this.#position;
    if (at === undefined || at.timeline !== timeline) return false;
    return number > at.number && number <= at.number + BigInt(this.#most);
  }
}
