import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type HistoryEntry, parseHistory } from './history.ts';
import { readWalObject } from './read-object.ts';
import { hex8 } from './segment.ts';

/** `00000002.history`. */
export function historyName(timeline: number): string {
  return `${hex8(timeline)}.history`;
}

/**
 * Reads a timeline's history: from pg_wal, where PostgreSQL keeps it for good, else from the archive.
 * @param walFolder undefined when there is no cluster
 * @returns undefined when it is in neither, or damaged
 * @throws PgarcError `store-unreachable`
 */
export async function readHistory(
  { store, walFolder }: { store: ObjectStore; walFolder: string | undefined },
  timeline: number,
  signal: AbortSignal,
): Promise<HistoryEntry[] | undefined> {
  const name = historyName(timeline);
  if (walFolder !== undefined) {
    const text = await readFile(join(walFolder, name), 'utf8').catch(() => undefined);
    const entries = text === undefined ? undefined : parseOrUndefined(text, timeline);
    if (entries !== undefined) return entries;
  }
  try {
    const bytes = await readWalObject(store, name, signal);
    return bytes && parseOrUndefined(bytes.toString('utf8'), timeline);
  } catch (error) {
    if (isPgarcError(error, 'object-damaged')) return undefined;
    throw error;
  }
}

function parseOrUndefined(text: string, timeline: number): HistoryEntry[] | undefined {
  try {
    return parseHistory(text, timeline);
  } catch {
    return undefined;
  }
}
