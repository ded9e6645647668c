import { isPgarcError, messageOf } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { checkSegment, type SegmentHeader } from '../wal/check-segment.ts';
import { findWrongTimeline, isOfOlderTimeline } from '../wal/check-timeline.ts';
import { classifyWalFile, type WalFile } from '../wal/file-name.ts';
import { walKey } from '../wal/keys.ts';
import { isSegmentSize, parsePageHeader } from '../wal/page-header.ts';
import { openWalObject, readWalRange } from '../wal/read-object.ts';
import type { CountBytes } from './fetch/read-part.ts';
import type { Failure } from './verify.ts';

const HEADER_BYTES = 512;
const USUAL_EXTENSION = 'lz4';

/**
 * Reads a WAL segment to its end and checks that it is the one of its name and of its cluster.
 * @param systemIdentifier undefined when it is not known
 * @returns what is wrong with it, if anything
 */
export async function verifySegment(
  store: ObjectStore,
  name: string,
  systemIdentifier: bigint | undefined,
  count: CountBytes,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  let key = walKey(name, USUAL_EXTENSION);
  try {
    const object = await openWalObject(store, name, USUAL_EXTENSION, signal);
    if (object === undefined) return { key, reason: 'is missing from the store' };
    key = object.key;
    count(object.storedSize, 0);
    let head: Buffer = Buffer.alloc(0);
    let size = 0;
    for await (const chunk of object.body) {
      if (head.length < HEADER_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEADER_BYTES)]);
      size += chunk.length;
      count(0, chunk.length);
    }
    const file = classifyWalFile(name);
    if (file?.kind !== 'segment') return { key, reason: 'is not a segment' };
    const header = checkSegment(file, size, head);
    if (systemIdentifier !== undefined && header.systemIdentifier !== systemIdentifier) {
      return { key, reason: `is of the cluster with system identifier ${header.systemIdentifier}` };
    }
    return isOfOlderTimeline(file, header)
      ? await judgeTimeline(store, key, file, header, signal)
      : undefined;
  } catch (error) {
    if (isPgarcError(error, 'object-damaged') || isPgarcError(error, 'wal-invalid')) {
      return { key, reason: messageOf(error) };
    }
    throw error;
  }
}

/** The size of WAL segments, bytes, that a segment's first page tells. @returns undefined when it tells none */
export async function readSegmentSize(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const object = await openWalObject(store, name, USUAL_EXTENSION, signal);
    let head: Buffer = Buffer.alloc(0);
    for await (const chunk of object?.body ?? []) {
      head = Buffer.concat([head, chunk.subarray(0, HEADER_BYTES)]);
      if (head.length >= HEADER_BYTES) break;
    }
    const size = parsePageHeader(head)?.long?.segmentSize;
    return size !== undefined && isSegmentSize(size) ? size : undefined;
  } catch (error) {
    // What is wrong with it is told when it is read whole.
    if (isPgarcError(error, 'object-damaged')) return undefined;
    throw error;
  }
}

/** The segment of a switch is read once more up to there: it is one in a timeline's life. */
async function judgeTimeline(
  store: ObjectStore,
  key: string,
  file: WalFile,
  header: SegmentHeader,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const read = async (offset: number, length: number) =>
    (await readWalRange(store, key, { offset, length }, signal)) ?? Buffer.alloc(0);
  // A history that is missing is for wal-verify to tell.
  const deps = { store, walFolder: undefined, emit: () => undefined };
  const wrong = await findWrongTimeline(deps, file, header, read, signal);
  return wrong === undefined ? undefined : { key, reason: `is not the segment of its name: ${wrong}` };
}
