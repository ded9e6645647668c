/** Runs a decompressor of node:zlib over an input, and tells damage from trouble with the input itself. */
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, PgarcError } from '../errors.ts';

/** Output a call, bytes: large enough to keep calls few, small enough to be reused by the allocator. */
export const ZLIB_CHUNK = 256 * 1024;

/** What every decompressor of node:zlib is. */
export interface ZlibStream extends Transform {
  /** Bytes of input that were used. */
  readonly bytesWritten: number;
}

/**
 * Unpacks `input`. `what` names the format in errors.
 * @throws PgarcError `object-damaged`; errors of `input` as they are
 */
export async function* runZlib(
  stream: ZlibStream,
  input: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Buffer> {
  let total = 0;
  let inputError: unknown;
  async function* counted(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of input) {
        total += chunk.length;
        // Copied: the stream keeps it past the moment the next one is asked for.
        if (chunk.length > 0) yield Buffer.from(chunk);
      }
    } catch (error) {
      inputError = error;
      throw error;
    }
  }
  const feeding = pipeline(Readable.from(counted(), { objectMode: false }), stream);
  feeding.catch(() => undefined);
  try {
    for await (const chunk of stream) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    if (inputError !== undefined) throw inputError;
    throw new PgarcError('object-damaged', `${what} data is damaged: ${messageOf(error)}`, { cause: error });
  }
  // Some formats end where they like and leave what follows unread.
  if (stream.bytesWritten !== total) {
    throw new PgarcError('object-damaged', `${what} data is followed by foreign bytes`);
  }
}
