import { BACKUPS, backupOfSentinelKey } from '../backup/format/keys.ts';
import { parseJson } from '../json.ts';
import type { ObjectInfo, ObjectStore } from '../store/store.ts';
import { checkSegment } from './check-segment.ts';
import { classifyWalFile } from './file-name.ts';
import { WAL } from './keys.ts';
import { LONG_HEADER_SIZE } from './page-header.ts';
import { readWalRange, walFileOfKey } from './read-object.ts';

/**
 * Finds whose an archive is that WAL-G or WAL-E began: the system identifier in the newest backup's
 * sentinel, else (WAL-E's has none) that of the segment this backup started in, else of the newest segment.
 * Lists the archive, once in its life.
 * @returns undefined when it holds neither a backup nor WAL
 */
export async function findOwner(store: ObjectStore, signal: AbortSignal): Promise<bigint | undefined> {
  const sentinel = await newest(
    store.list(BACKUPS, { signal }),
    (key) => backupOfSentinelKey(key) !== undefined,
  );
  if (sentinel !== undefined) {
    const owner = await ownerInSentinel(store, sentinel.key, signal);
    if (owner !== undefined) return owner;
    const segment = /^base_([0-9A-F]{24})/.exec(backupOfSentinelKey(sentinel.key) ?? '')?.[1];
    const found = segment && (await newest(store.list(`${WAL}${segment}`, { signal }), isSegmentKey));
    if (found) return await ownerInSegment(store, found.key, signal);
  }
  const last = await newest(store.list(WAL, { signal }), isSegmentKey);
  return last && (await ownerInSegment(store, last.key, signal));
}

async function ownerInSentinel(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const bytes = await store.get(key, { signal });
  if (bytes === undefined) return undefined;
  try {
    const { SystemIdentifier: id } = parseJson(bytes.toString('utf8')) as Record<string, unknown>;
    return typeof id === 'bigint' || typeof id === 'number' ? BigInt(id) : undefined;
  } catch {
    return undefined;
  }
}

async function ownerInSegment(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const name = walFileOfKey(key);
  const file = name && classifyWalFile(name.file);
  if (file?.kind !== 'segment') return undefined;
  const header = await readWalRange(store, key, { offset: 0, length: LONG_HEADER_SIZE }, signal);
  if (header === undefined) return undefined;
  // Only the header is here: the segment's size is taken from it.
  const size = header.length < LONG_HEADER_SIZE ? header.length : header.readUInt32LE(32);
  return checkSegment(file, size, header).systemIdentifier;
}

function isSegmentKey(key: string): boolean {
  const name = walFileOfKey(key);
  return name !== undefined && classifyWalFile(name.file)?.kind === 'segment';
}

async function newest(
  objects: AsyncIterable<ObjectInfo>,
  accepts: (key: string) => boolean,
): Promise<ObjectInfo | undefined> {
  let found: ObjectInfo | undefined;
  for await (const object of objects) {
    if (accepts(object.key) && (found === undefined || object.modified >= found.modified)) found = object;
  }
  return found;
}
