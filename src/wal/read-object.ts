import type { Decoder, DecompressOptions } from '../codec/codec.ts';
import { isPgarcError, PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { classifyWalFile } from './file-name.ts';
import { WAL, walKey } from './keys.ts';

/** A WAL file in the store, opened. */
export interface WalObject {
  key: string;
  /** Of the key, without the dot; empty for an uncompressed object. */
  extension: string;
  /** Bytes as stored. */
  storedSize: number;
  /** Plain bytes; a chunk is the reader's until it asks for the next. Damage throws `object-damaged`. */
  body: AsyncIterable<Buffer>;
  /**
   * Whether the object carries a checksum of its contents, which the decoder compares. Known once the body is
   * being read; pgarc's own always do, what other tools stored plain, as .br or as .zst may not.
   */
  hasChecksum(): boolean;
}

/** Extension of what each compression method writes. */
export const EXTENSION_OF = { lz4: 'lz4', zstd: 'zst' } as const;

/** The bit that says a checksum of the contents ends the frame, of LZ4 and of zstd (RFC 8878, 3.1.1.1.1). */
const CONTENT_CHECKSUM = 0x04;

/** Largest WAL file, bytes: a segment of initdb --wal-segsize=1024. */
export const MAX_WAL_SIZE = 2 ** 30;

/**
 * Opens a WAL file: under its usual extension with one GET; when that is not there, one LIST says whether it
 * is stored under any other.
 * @returns undefined only when the store answered that it holds no such file
 * @throws PgarcError `object-damaged` when it is only stored in a form pgarc cannot read
 */
export async function openWalObject(
  store: ObjectStore,
  name: string,
  usualExtension: string,
  signal: AbortSignal,
  options: DecompressOptions = {},
): Promise<WalObject | undefined> {
  const usual = await openWalKey(store, walKey(name, usualExtension), signal, options);
  if (usual !== undefined) return usual;
  for (const key of await findWalKeys(store, name, signal)) {
    // The usual one again, when it was stored between the two requests.
    const object = await openWalKey(store, key, signal, options);
    if (object !== undefined) return object;
  }
  return undefined;
}

/** Opens the WAL file under exactly this key. @returns undefined when the store answered that there is none */
export async function openWalKey(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  options: DecompressOptions = {},
): Promise<WalObject | undefined> {
  const { openDecoder } = await import('../codec/codecs.ts');
  const extension = walFileOfKey(key)?.extension ?? '';
  const decoder = await openDecoder(extension);
  if (decoder === undefined) {
    throw new PgarcError('object-damaged', `${key} is stored as .${extension}, which pgarc cannot read`, {
      hint: 'Restore it with the tool that stored it, such as wal-g; let pgarc archive under a new prefix.',
    });
  }
  const stream = await store.getStream(key, { signal });
  if (stream === undefined) return undefined;
  let hasChecksum = extension === 'gz' || extension === 'lzo';
  const input = watchHead(stream.body, (head) => {
    // Both frame formats have it behind their magic: FLG of LZ4, Frame_Header_Descriptor of zstd.
    if (extension === 'lz4' || extension === 'zst') hasChecksum = ((head[4] ?? 0) & CONTENT_CHECKSUM) !== 0;
  });
  return {
    key,
    extension,
    storedSize: stream.size,
    body: unpack(decoder, input, key, options),
    hasChecksum: () => hasChecksum,
  };
}

/** Shows the first bytes to `onHead` and hands all of them on. */
async function* watchHead(
  input: AsyncIterable<Buffer>,
  onHead: (head: Buffer) => void,
): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of input) {
    if (isFirst) onHead(chunk);
    isFirst = false;
    yield chunk;
  }
}

/** The decoder does not know what it reads: its complaint gets the object's name. */
async function* unpack(
  decoder: Decoder,
  input: AsyncIterable<Buffer>,
  key: string,
  options: DecompressOptions,
): AsyncGenerator<Buffer> {
  try {
    yield* decoder.decompress(input, options);
  } catch (error) {
    if (!isPgarcError(error, 'object-damaged')) throw error;
    throw new PgarcError('object-damaged', `the object ${key} is damaged: ${error.message}`, {
      cause: error,
    });
  }
}

/** Keys under which a WAL file is stored, those pgarc reads first. One LIST. */
export async function findWalKeys(store: ObjectStore, name: string, signal: AbortSignal): Promise<string[]> {
  const { EXTENSIONS } = await import('../codec/codecs.ts');
  const rank = (key: string) => {
    const index = EXTENSIONS.indexOf(walFileOfKey(key)?.extension ?? '');
    return index === -1 ? EXTENSIONS.length : index;
  };
  const keys: string[] = [];
  for await (const { key } of store.list(`${WAL}${name}`, { signal })) {
    if (walFileOfKey(key)?.file === name) keys.push(key);
  }
  return keys.sort((a, b) => rank(a) - rank(b));
}

/** False for a key whose extension is of a compression that pgarc does not read. */
export async function isReadable(key: string): Promise<boolean> {
  const { openDecoder } = await import('../codec/codecs.ts');
  return (await openDecoder(walFileOfKey(key)?.extension ?? '')) !== undefined;
}

/** Splits a key in wal_005/ into file name and extension. @returns undefined when it is no WAL file's */
export function walFileOfKey(key: string): { file: string; extension: string } | undefined {
  if (!key.startsWith(WAL)) return undefined;
  const base = key.slice(WAL.length);
  if (classifyWalFile(base) !== undefined) return { file: base, extension: '' };
  const dot = base.lastIndexOf('.');
  const file = base.slice(0, Math.max(dot, 0));
  return classifyWalFile(file) === undefined ? undefined : { file, extension: base.slice(dot + 1) };
}

/**
 * Reads some bytes of a WAL file, which is unpacked up to there.
 * @returns fewer where it ends before, undefined when the store answered that there is none under the key
 */
export async function readWalRange(
  store: ObjectStore,
  key: string,
  { offset, length }: { offset: number; length: number },
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const object = await openWalKey(store, key, signal);
  if (object === undefined) return undefined;
  const end = offset + length;
  const parts: Buffer[] = [];
  let at = 0;
  for await (const chunk of object.body) {
    parts.push(Buffer.from(chunk.subarray(Math.max(0, offset - at), Math.max(0, end - at))));
    at += chunk.length;
    if (at >= end) break;
  }
  return Buffer.concat(parts);
}

/**
 * Reads a WAL file whole.
 * @param usualExtension tried first, with one request
 * @returns undefined only when the store answered that it holds no such file
 * @throws PgarcError `object-damaged`, also for one of more than 1 GiB
 */
export async function readWalObject(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
  usualExtension = 'lz4',
): Promise<Buffer | undefined> {
  const object = await openWalObject(store, name, usualExtension, signal);
  if (object === undefined) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of object.body) {
    size += chunk.length;
    if (size > MAX_WAL_SIZE) throw new PgarcError('object-damaged', `${object.key} holds more than 1 GiB`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks, size);
}
