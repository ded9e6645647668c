import { type FileHandle, open, stat } from 'node:fs/promises';
import { PgarcError } from '../../errors.ts';
import { isMissing } from '../../system/file-error.ts';
import type { ObjectInfo, ObjectStream } from '../store.ts';
import { assertRoot, type FolderContext, pathOf, toFolderError } from './root.ts';

/** Bytes read at a time. */
const CHUNK_BYTES = 256 * 1024;

/** Reads a file of at most `maxBytes`. @returns undefined when the store has no such file */
export async function readWhole(
  context: FolderContext,
  key: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const opened = await openFile(context, key, signal);
  if (opened === undefined) return undefined;
  const { file, size } = opened;
  try {
    if (size > maxBytes) {
      throw new PgarcError('object-damaged', `${key} is ${size} bytes long, more than ${maxBytes}`);
    }
    const body = Buffer.allocUnsafe(size);
    for (let offset = 0; offset < size; ) {
      signal?.throwIfAborted();
      offset += await readInto(context, key, file, body, offset, offset);
    }
    return body;
  } finally {
    await file.close();
  }
}

/** Opens a file for reading. The file is closed when the body ends or is left. */
export async function streamFile(
  context: FolderContext,
  key: string,
  signal?: AbortSignal,
): Promise<ObjectStream | undefined> {
  const info = await statFile(context, key, signal);
  if (info === undefined) return undefined;
  return { size: info.size, body: readChunks(context, key, info.size, signal) };
}

/**
 * Reads one chunk ahead, into two buffers in turn. The file is opened when the first chunk is asked for: a body
 * nobody reads leaves nothing open.
 */
async function* readChunks(
  context: FolderContext,
  key: string,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const opened = await openFile(context, key, signal);
  if (opened === undefined) throw changed(key);
  const { file } = opened;
  const room = () => Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size));
  const [one, other] = [room(), room()];
  const read = async (into: Buffer, offset: number): Promise<Buffer> => {
    signal?.throwIfAborted();
    const part = into.subarray(0, size - offset);
    return part.subarray(0, await readInto(context, key, file, part, 0, offset));
  };
  let ahead: Promise<Buffer> | undefined;
  try {
    if (opened.size !== size) throw changed(key);
    ahead = size > 0 ? read(one, 0) : undefined;
    for (let offset = 0; ahead !== undefined; ) {
      const chunk = await ahead;
      offset += chunk.length;
      ahead = offset < size ? read(chunk.buffer === one.buffer ? other : one, offset) : undefined;
      ahead?.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await ahead?.catch(() => undefined);
    await file.close();
  }
}

/** Size and time of a file. @returns undefined when the store has no such file */
export async function statFile(
  context: FolderContext,
  key: string,
  signal?: AbortSignal,
): Promise<ObjectInfo | undefined> {
  signal?.throwIfAborted();
  try {
    const found = await stat(pathOf(context, key));
    return found.isFile() ? { key, size: found.size, modified: found.mtime } : undefined;
  } catch (error) {
    if (!isMissing(error)) throw toFolderError(error, context, 'look at', key);
    await assertRoot(context);
    return undefined;
  }
}

async function openFile(
  context: FolderContext,
  key: string,
  signal: AbortSignal | undefined,
): Promise<{ file: FileHandle; size: number } | undefined> {
  signal?.throwIfAborted();
  let file: FileHandle | undefined;
  try {
    file = await open(pathOf(context, key), 'r');
    const found = await file.stat();
    if (found.isFile()) return { file, size: found.size };
    await file.close();
    return undefined;
  } catch (error) {
    await file?.close().catch(() => undefined);
    if (!isMissing(error)) throw toFolderError(error, context, 'read', key);
    await assertRoot(context);
    return undefined;
  }
}

/** Reads what one call gives, at least a byte. */
async function readInto(
  context: FolderContext,
  key: string,
  file: FileHandle,
  target: Buffer,
  at: number,
  position: number,
): Promise<number> {
  let bytes: number;
  try {
    ({ bytesRead: bytes } = await file.read(target, at, target.length - at, position));
  } catch (error) {
    throw toFolderError(error, context, 'read', key);
  }
  if (bytes === 0) throw changed(key);
  return bytes;
}

function changed(key: string): PgarcError {
  return new PgarcError('object-damaged', `${key} changed while it was read`);
}
