import type { ObjectInfo } from '../store/store.ts';
import { classifyWalFile, type WalFile } from '../wal/file-name.ts';
import { walFileOfKey } from '../wal/read-object.ts';
import type { WalPlan } from './wal-plan.ts';

/** What a set of objects takes. */
export interface Volume {
  objects: number;
  bytes: number;
}

export interface WalVolume extends Volume {
  /** Of each drop, by its index. */
  dropBytes: number[];
  /** The highest timeline with a file that goes. */
  last: { timeline: number } | undefined;
}

/** Low parts of segment numbers are below this for the smallest segments, of 1 MiB. */
const LOW_LIMIT = 4096;

interface TimelineFiles {
  /** High part × 4096 + low part. */
  places: number[];
  sizes: number[];
  /** ms since 1970. */
  times: number[];
  storedUntil: number;
}

/**
 * The WAL files of a listing, as numbers: 24 bytes a file, so that half a million take 12 MB. Of history files
 * it holds no more than when they were stored; files under unknown names are not in it.
 */
export class WalFiles {
  readonly #timelines = new Map<number, TimelineFiles>();

  add({ key, size, modified }: ObjectInfo): void {
    const known = classifyWalFile(walFileOfKey(key)?.file ?? '');
    // Without a byte it is no history file: what leads to the timeline is not known from it.
    if (known?.kind === 'history' && size > 0) this.#touch(known.timeline, modified);
    const file = placeFile(known);
    if (file === undefined) return;
    const files = this.#touch(file.timeline, modified);
    files.places.push(file.high * LOW_LIMIT + file.low);
    files.sizes.push(size);
    files.times.push(modified.getTime());
  }

  #touch(timeline: number, stored: Date): TimelineFiles {
    const files = this.#timelines.get(timeline) ?? { places: [], sizes: [], times: [], storedUntil: 0 };
    files.storedUntil = Math.max(files.storedUntil, stored.getTime());
    this.#timelines.set(timeline, files);
    return files;
  }

  /**
   * When the newest file of each timeline was stored. A promotion stores a history file first: from then on
   * the timeline is one that WAL goes on along, and its first segment may be long in coming.
   */
  get storedUntil(): Map<number, Date> {
    return new Map([...this.#timelines].map(([timeline, files]) => [timeline, new Date(files.storedUntil)]));
  }

  /** The last segment of a timeline of which the store got a file by then; undefined when it got none. */
  lastStoredBy(timeline: number, time: Date, segmentSize: number): bigint | undefined {
    const files = this.#timelines.get(timeline);
    if (files === undefined) return undefined;
    const last = files.places.reduce(
      (most, place, i) => (place > most && files.times[i]! <= time.getTime() ? place : most),
      -1,
    );
    return last === -1 ? undefined : toNumber(Math.floor(last / LOW_LIMIT), last % LOW_LIMIT, segmentSize);
  }

  /** What the WAL files that a plan drops take. */
  measure(plan: WalPlan, segmentSize: number): WalVolume {
    const total: WalVolume = { objects: 0, bytes: 0, dropBytes: plan.drops.map(() => 0), last: undefined };
    for (const [timeline, { places, sizes }] of this.#timelines) {
      for (const [i, place] of places.entries()) {
        const number = toNumber(Math.floor(place / LOW_LIMIT), place % LOW_LIMIT, segmentSize);
        if (number === undefined || !plan.isDropped(timeline, number)) continue;
        total.objects++;
        total.bytes += sizes[i]!;
        if (timeline >= (total.last?.timeline ?? 0)) total.last = { timeline };
        const drop = findDrop(plan, timeline, number);
        if (drop !== -1) total.dropBytes[drop]! += sizes[i]!;
      }
    }
    return total;
  }
}

/** The place of a WAL file that can be dropped; undefined for a history file and for what is no WAL file. */
export function placeOfKey(
  key: string,
  segmentSize: number,
): { timeline: number; number: bigint } | undefined {
  const file = placeFile(classifyWalFile(walFileOfKey(key)?.file ?? ''));
  const number = file === undefined ? undefined : toNumber(file.high, file.low, segmentSize);
  return file === undefined || number === undefined ? undefined : { timeline: file.timeline, number };
}

function placeFile(file: WalFile | undefined): { timeline: number; high: number; low: number } | undefined {
  if (file === undefined || file.kind === 'history') return undefined;
  const low = Number.parseInt(file.segmentName.slice(16), 16);
  if (low >= LOW_LIMIT) return undefined;
  return { timeline: file.timeline, high: Number.parseInt(file.segmentName.slice(8, 16), 16), low };
}

function toNumber(high: number, low: number, segmentSize: number): bigint | undefined {
  const perHigh = 2 ** 32 / segmentSize;
  return low < perHigh ? BigInt(high * perHigh + low) : undefined;
}

/** Drops are in order. */
function findDrop({ drops }: WalPlan, timeline: number, number: bigint): number {
  let low = 0;
  let high = drops.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const drop = drops[middle]!;
    if (timeline < drop.timeline || (timeline === drop.timeline && number < drop.first)) high = middle - 1;
    else if (timeline > drop.timeline || number > drop.last) low = middle + 1;
    else return middle;
  }
  return -1;
}
