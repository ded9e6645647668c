import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { ObjectInfo, ObjectStore } from '../store/store.ts';
import { classifyWalFile } from './file-name.ts';
import { type HistoryEntry, parseHistory } from './history.ts';
import { WAL } from './keys.ts';
import { isSegmentSize, parsePageHeader } from './page-header.ts';
import { openWalKey, walFileOfKey } from './read-object.ts';
import { DEFAULT_SEGMENT_SIZE, hex8 } from './segment.ts';
import { RangeBuilder, type SegmentRange } from './segment-ranges.ts';
import { StoredWal } from './stored-wal.ts';

/** What one listing of the archive's WAL folder showed, in a form that stays small for millions of files. */
export interface Archive {
  /** Bytes. */
  segmentSize: number;
  /** Complete segments of each timeline. A stored file of no bytes does not count. */
  segments: ReadonlyMap<number, readonly SegmentRange[]>;
  /** Parsed `.history` files by timeline. Timeline 1 has none. */
  histories: ReadonlyMap<number, readonly HistoryEntry[]>;
  /** Stored `.history` files that cannot be read, by timeline: what is known of the others holds without them. */
  damagedHistories: ReadonlyMap<number, DamagedHistory>;
  /** Names of `.partial` segments, in order. */
  partials: readonly string[];
  /** Keys in the folder that are no WAL file, or an empty one; the first 100. */
  strays: readonly string[];
  /** Segments, and bytes of all WAL files as stored. */
  segmentCount: number;
  storedBytes: number;
}

/** A stored `.history` file that is none. */
export interface DamagedHistory {
  timeline: number;
  key: string;
  /** A clause that names the key. */
  reason: string;
}

export interface ListArchiveOptions {
  /** Bytes; when absent it is read from the header of a stored segment. */
  segmentSize?: number | undefined;
  /** Sees every object of the listing, whatever it is. */
  onObject?: ((object: ObjectInfo) => void) | undefined;
}

const STRAYS_KEPT = 100;
const SAMPLES = 3;
/** Bytes; PostgreSQL's own have a line of some 40 a timeline. */
const LARGEST_HISTORY = 4 * 2 ** 20;

/**
 * Lists the WAL archive once and reads its history files and, when the segment size is not given, the
 * header of one segment.
 * @throws PgarcError `store-unreachable`, `object-damaged` when that header cannot be read
 */
export async function listArchive(
  store: ObjectStore,
  signal: AbortSignal,
  options: ListArchiveOptions = {},
): Promise<Archive> {
  const ranges = new RangeBuilder();
  const historyKeys = new Map<number, string>();
  const partials: string[] = [];
  const strays: string[] = [];
  let storedBytes = 0;
  // The newest and two others: one of them may be damaged.
  const samples: string[] = [];

  for await (const object of store.list(WAL, { signal, shallow: true })) {
    const { key, size } = object;
    options.onObject?.(object);
    const file = classifyWalFile(walFileOfKey(key)?.file ?? '');
    if (file === undefined || size === 0) {
      if (strays.length < STRAYS_KEPT) strays.push(key);
      continue;
    }
    storedBytes += size;
    if (file.kind === 'segment') {
      ranges.add(file.name);
      samples[Math.min(samples.length, SAMPLES - 1)] = file.name;
    } else if (file.kind === 'history') {
      // Of several, the one that is asked for first when recovery asks.
      if (!historyKeys.has(file.timeline) || key.endsWith('.lz4')) historyKeys.set(file.timeline, key);
    } else if (file.kind === 'partial') partials.push(file.name);
  }

  const wal = new StoredWal(store);
  const segmentSize = options.segmentSize ?? (await readSegmentSize(wal, samples, signal));
  if (ranges.highestLow >= 2 ** 32 / segmentSize) {
    throw new PgarcError(
      'object-damaged',
      `the archive holds names that no segment of ${segmentSize / 2 ** 20} MiB can have`,
      { hint: 'Archives of clusters with different WAL segment sizes were mixed under one prefix.' },
    );
  }
  return {
    segmentSize,
    segments: ranges.finish(segmentSize),
    ...(await readHistories(store, historyKeys, signal)),
    partials,
    strays,
    segmentCount: ranges.count,
    storedBytes,
  };
}

async function readSegmentSize(
  wal: StoredWal,
  samples: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let cause: unknown;
  for (const name of samples.toReversed()) {
    try {
      for await (const page of wal.pages(name, signal)) {
        const size = parsePageHeader(page)?.long?.segmentSize;
        if (size !== undefined && isSegmentSize(size)) return size;
        break;
      }
    } catch (error) {
      if (!isPgarcError(error, 'object-damaged')) throw error;
      cause = error;
    }
  }
  if (samples.length === 0) return DEFAULT_SEGMENT_SIZE;
  const name = samples.at(-1);
  throw new PgarcError('object-damaged', `segment ${name} does not begin with the header of a WAL segment`, {
    details: { name },
    cause,
  });
}

/**
 * For what must not go on with a part of the history.
 * @throws PgarcError `object-damaged` when one of the archive's history files cannot be read
 */
export function requireHistories({ damagedHistories }: Pick<Archive, 'damagedHistories'>): void {
  for (const history of damagedHistories.values()) throw historyError(history);
}

/** Says of a history file that it cannot be read, and what helps. */
export function historyError({ timeline, key, reason }: DamagedHistory, otherWay = ''): PgarcError {
  return new PgarcError('object-damaged', reason, {
    hint:
      'Put an undamaged copy in its place: servers that have run on the timeline keep ' +
      `${hex8(timeline)}.history in pg_wal.${otherWay}`,
    details: { key, timeline },
  });
}

async function readHistories(
  store: ObjectStore,
  keys: ReadonlyMap<number, string>,
  signal: AbortSignal,
): Promise<Pick<Archive, 'histories' | 'damagedHistories'>> {
  const histories = new Map<number, HistoryEntry[]>();
  const damagedHistories = new Map<number, DamagedHistory>();
  for (const [timeline, key] of [...keys].sort(([a], [b]) => a - b)) {
    try {
      const entries = await readHistory(store, key, timeline, signal);
      if (entries !== undefined) histories.set(timeline, entries);
    } catch (error) {
      if (!isPgarcError(error, 'object-damaged') && !isPgarcError(error, 'wal-invalid')) throw error;
      const message = messageOf(error);
      const reason = message.includes(key) ? message : `${key}: ${message}`;
      damagedHistories.set(timeline, { timeline, key, reason });
    }
  }
  return { histories, damagedHistories };
}

async function readHistory(
  store: ObjectStore,
  key: string,
  timeline: number,
  signal: AbortSignal,
): Promise<HistoryEntry[] | undefined> {
  const object = await openWalKey(store, key, signal);
  if (object === undefined) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of object.body) {
    length += part.length;
    if (length > LARGEST_HISTORY)
      throw new PgarcError('object-damaged', `${key} is too large for a history file`);
    parts.push(Buffer.from(part));
  }
  return parseHistory(Buffer.concat(parts).toString('utf8'), timeline);
}
