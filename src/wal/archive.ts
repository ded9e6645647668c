import type { ObjectStore } from '../store/store.ts';
import type { HistoryEntry } from './history.ts';
import type { SegmentRange } from './segment-ranges.ts';

/** What one listing of the archive's WAL folder showed, in a form that stays small for millions of files. */
export interface Archive {
  /** Bytes. */
  segmentSize: number;
  /** Complete segments of each timeline. A stored file of no bytes does not count. */
  segments: ReadonlyMap<number, readonly SegmentRange[]>;
  /** Parsed `.history` files by timeline. Timeline 1 has none. */
  histories: ReadonlyMap<number, readonly HistoryEntry[]>;
  /** Names of `.partial` segments, in order. */
  partials: readonly string[];
  /** Keys in the folder that are no WAL file, or an empty one; at most 100. */
  strays: readonly string[];
  /** Segments, and bytes of all WAL files as stored. */
  segmentCount: number;
  storedBytes: number;
}

export interface ListArchiveOptions {
  /** Bytes; when absent it is read from the header of a stored segment. */
  segmentSize?: number | undefined;
}

/**
 * Lists the WAL archive once and reads its history files and, when the segment size is not given, the
 * header of one segment.
 * @throws PgarcError `store-unreachable`, `object-damaged` when a history file or that header cannot be read
 */
export async function listArchive(
  store: ObjectStore,
  signal: AbortSignal,
  options: ListArchiveOptions = {},
): Promise<Archive> {
  void [store, signal, options];
  throw new Error('not written yet');
}
