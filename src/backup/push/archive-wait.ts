import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectStore } from '../../store/store.ts';
import { WAL } from '../../wal/keys.ts';

/** A look costs one short listing; the longer it has been, the less a moment more matters, ms. */
const SHORTEST_PAUSE = 25;
const LONGEST_PAUSE = 1_000;
const PART_OF_WAITED = 0.1;

/** The name of an object that holds a segment: `<segment>` or `<segment>.<extension of a codec>`; not `.partial`, nor a `.backup` file. */
export const STORED = /^([0-9A-F]{24})(?:\.(?!partial$|backup$)[a-z0-9]+)?$/;

/** Tells whether the archive has come closer to the segments that are missing since it was asked last. */
export type HasAdvanced = (missing: readonly string[], signal: AbortSignal) => Promise<boolean>;

/**
 * Waits until segments are in the archive, whatever they are compressed with.
 * @param segments names in order, of one timeline
 * @param timeout ms, counted anew whenever one of them arrives and whenever `hasAdvanced` says so
 * @returns the names that are still missing when the time is over
 */
export async function waitForSegments(
  store: ObjectStore,
  segments: readonly string[],
  timeout: number,
  signal: AbortSignal,
  hasAdvanced?: HasAdvanced,
): Promise<string[]> {
  const begun = performance.now();
  let advanced = begun;
  let missing: readonly string[] = segments;
  for (;;) {
    const still = await findMissing(store, missing, signal);
    if (still.length === 0) return still;
    const isCloser = still.length < missing.length;
    missing = still;
    // Asked in any case: it compares with what it was told last.
    const isNearer = (await hasAdvanced?.(missing, signal)) ?? false;
    const now = performance.now();
    if (isCloser || isNearer) advanced = now;
    const left = timeout - (now - advanced);
    if (left <= 0) return still;
    const pause = Math.min(Math.max(SHORTEST_PAUSE, (now - begun) * PART_OF_WAITED), LONGEST_PAUSE);
    await sleep(Math.min(pause, left), undefined, { signal });
  }
}

/** Names of `segments` (in order, of one timeline) that the archive lacks, by one listing. */
export async function findMissing(
  store: ObjectStore,
  segments: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) return [];
  const stored = new Set<string>();
  const prefix = WAL + commonPrefix(first, last);
  // One character short, because startAfter leaves out the key itself: a file that is not compressed.
  for await (const { key } of store.list(prefix, { signal, startAfter: WAL + first.slice(0, -1) })) {
    const name = key.slice(WAL.length);
    if (name.slice(0, last.length) > last) break;
    const segment = STORED.exec(name)?.[1];
    if (segment !== undefined) stored.add(segment);
  }
  return segments.filter((segment) => !stored.has(segment));
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return one.slice(0, length);
}
