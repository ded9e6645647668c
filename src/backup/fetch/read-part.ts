import { openDecoder } from '../../codec/codecs.ts';
import { isPgarcError, messageOf, PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import type { ObjectStore } from '../../store/store.ts';
import { readTar, safeMemberPath, type TarEntry } from '../format/tar.ts';
import type { StoredPart } from './contents.ts';
import { readAhead } from './read-ahead.ts';

/** Takes the members of a tar, one after the other. `path` has no leading slash. */
export interface MemberHandler {
  directory(path: string, entry: TarEntry): void;
  /** Must read `body` to its end, unless it leaves it alone altogether. Chunks are only lent. */
  file(path: string, entry: TarEntry, body: AsyncIterable<Buffer>): Promise<void>;
  symlink(path: string, entry: TarEntry): void;
}

/** Told while a part is read: bytes from the store and bytes after decompression. */
export type CountBytes = (stored: number, plain: number) => void;

/**
 * Streams one part from the store through its decoder and hands out the members.
 * @throws PgarcError `object-missing`, `object-damaged` with the object's key; what `handler` throws otherwise
 */
export async function readPart(
  store: ObjectStore,
  part: StoredPart,
  handler: MemberHandler,
  count: CountBytes,
  signal: AbortSignal,
): Promise<void> {
  const decoder = await openDecoder(part.extension);
  if (decoder === undefined) {
    throw new PgarcError('failed', `${part.key} is compressed in a way that pgarc cannot read`, {
      hint: 'Objects with the extensions lz4, zst, lzo, gz, br and none can be read.',
    });
  }
  const abandon = new AbortController();
  const stream = await store.getStream(part.key, { signal: AbortSignal.any([signal, abandon.signal]) });
  if (stream === undefined) {
    throw new PgarcError('object-missing', `${part.key} is missing from the store`, {
      details: { key: part.key },
    });
  }
  try {
    // Three things at the same time: the network, which the store reads ahead, decompression, and the handler.
    const stored = tap(stream.body, (bytes) => count(bytes, 0));
    const plain = readAhead(tap(decoder.decompress(stored, { reuse: true }), (bytes) => count(0, bytes)));
    for await (const { entry, body } of readTar(plain, mayEndAfter(part))) {
      signal.throwIfAborted();
      try {
        await handOut(entry, body, handler);
      } catch (error) {
        // Else what is read ahead, from a store that is silent for now, would hold up what is said of this.
        abandon.abort();
        throw error;
      }
    }
  } catch (error) {
    throw nameObject(error, part.key);
  } finally {
    abandon.abort();
  }
}

function mayEndAfter({ unclosedAfter }: StoredPart): ((entry: TarEntry) => boolean) | undefined {
  if (unclosedAfter === undefined) return undefined;
  return ({ name }) => unclosedAfter === 'any' || safeMemberPath(name) === CONTROL_FILE;
}

async function handOut(entry: TarEntry, body: AsyncIterable<Buffer>, handler: MemberHandler): Promise<void> {
  const path = safeMemberPath(entry.name);
  if (path === undefined) {
    throw new PgarcError('object-damaged', `its member ${JSON.stringify(entry.name)} leads outside`);
  }
  if (entry.type === 'directory') handler.directory(path, entry);
  else if (entry.type === 'symlink') handler.symlink(path, entry);
  else await handler.file(path, entry, body);
}

/** Adds the object's key to what is said of its contents. */
function nameObject(error: unknown, key: string): unknown {
  if (!isPgarcError(error, 'object-damaged') || error.message.includes(key)) return error;
  return new PgarcError('object-damaged', `${key} is damaged: ${messageOf(error)}`, {
    cause: error,
    details: { ...error.details, key },
  });
}

async function* tap(input: AsyncIterable<Buffer>, see: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of input) {
    see(chunk.length);
    yield chunk;
  }
}
