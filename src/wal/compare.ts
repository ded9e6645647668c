import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { readExactly } from './read-exactly.ts';
import { isReadable, MAX_WAL_SIZE, openWalKey } from './read-object.ts';
import type { WalSource } from './source.ts';

export interface Comparison {
  /** Bytes of the stored file, unpacked. */
  storedSize: number;
  /** First byte that differs, or the shorter one's size; undefined when both are the same. */
  firstDifference: number | undefined;
}

/**
 * Compares a file with the one stored under `key`, in bounded memory.
 * @returns undefined when nothing is stored there any more
 * @throws PgarcError `wal-conflict` when the stored object is damaged
 */
export async function compareWithStored(
  store: ObjectStore,
  key: string,
  source: WalSource,
  signal: AbortSignal,
): Promise<Comparison | undefined> {
  if (!(await isReadable(key))) throw unreadable(source, key, store.location);
  try {
    const object = await openWalKey(store, key, signal);
    return object && (await compare(object.body, source));
  } catch (error) {
    if (!isPgarcError(error, 'object-damaged')) throw error;
    throw new PgarcError(
      'wal-conflict',
      `${source.file.name} is in the archive already, but that object is damaged: ${messageOf(error)}`,
      { cause: error, hint: `Remove ${key} from ${store.location}; the next attempt stores it again.` },
    );
  }
}

/** The error of a name that is taken by what cannot be compared. It may well be the same. */
function unreadable({ file: { name } }: WalSource, key: string, location: string): PgarcError {
  return new PgarcError(
    'wal-conflict',
    `${name} is in the archive already as ${key}, a form that pgarc does not read, so it cannot be compared`,
    {
      hint: `The stored file was left as it is. Fetch it with the tool that stored it, \`wal-g wal-fetch ${name} /tmp/${name}\`, and compare the two; or set PGARC_STORE to a new prefix and take a backup.`,
      details: { key, location },
    },
  );
}

/** The error of a name that is taken by other bytes. */
export function conflict(source: WalSource, key: string, location: string, found: Comparison): PgarcError {
  const { storedSize, firstDifference = 0 } = found;
  return new PgarcError(
    'wal-conflict',
    `${source.file.name} is in the archive already with other contents: stored are ${storedSize} bytes, the file has ${source.size}, and they differ from byte ${firstDifference} on`,
    {
      hint: 'Another server archives under the same prefix, or this one was restored without a new timeline; the stored file was left as it is.',
      details: { key, location, storedSize, fileSize: source.size, firstDifference },
    },
  );
}

async function compare(stored: AsyncIterable<Buffer>, source: WalSource): Promise<Comparison> {
  let storedSize = 0;
  let firstDifference: number | undefined;
  let own = Buffer.alloc(0);
  for await (const chunk of stored) {
    const common = Math.min(chunk.length, Math.max(0, source.size - storedSize));
    if (firstDifference === undefined) {
      if (own.length < common) own = Buffer.allocUnsafe(common);
      const part = own.subarray(0, common);
      await readExactly(source.handle, part, storedSize);
      const at = differenceOf(chunk.subarray(0, common), part);
      if (at !== undefined) firstDifference = storedSize + at;
      else if (common < chunk.length) firstDifference = source.size;
    }
    storedSize += chunk.length;
    if (storedSize > MAX_WAL_SIZE) {
      throw new PgarcError('object-damaged', 'it holds more than 1 GiB');
    }
  }
  if (firstDifference === undefined && storedSize < source.size) firstDifference = storedSize;
  return { storedSize, firstDifference };
}

function differenceOf(a: Buffer, b: Buffer): number | undefined {
  if (a.equals(b)) return undefined;
  let low = 0;
  let high = a.length;
  // The first difference lies in [low, high): halve it, memcmp is far quicker than a loop over bytes.
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (a.subarray(low, middle).equals(b.subarray(low, middle))) low = middle;
    else high = middle;
  }
  return low;
}
