import { PgarcError } from '../../errors.ts';
import { untilAborted } from '../abortable.ts';
import type { BufferPool } from './buffer-pool.ts';
import { largestStream, MAX_PARTS, partSize } from './part-size.ts';

/** A piece of a stream. Who takes it gives its buffer back to the pool. */
export interface Part {
  /** From 1. */
  number: number;
  buffer: Buffer;
  /** The bytes of `buffer` that are filled. */
  bytes: Buffer;
  isLast: boolean;
}

/**
 * Cuts a stream into parts; an empty stream is one empty part.
 * @param expected bytes of the stream, at most, where that is known
 */
export async function* cutIntoParts(
  body: AsyncIterable<Uint8Array>,
  pool: BufferPool,
  key: string,
  signal: AbortSignal,
  expected?: number,
): AsyncGenerator<Part> {
  let number = 1;
  let buffer: Buffer | undefined = await pool.take(partSize(number, expected), signal);
  let filled = 0;
  try {
    for await (const chunk of untilAborted(body, signal)) {
      for (let offset = 0; offset < chunk.length; ) {
        // A full part waits until more comes: only then it is known not to be the last.
        if (filled === buffer.length) {
          const full: Buffer = buffer;
          buffer = undefined;
          pool.send(full);
          yield { number, buffer: full, bytes: full, isLast: false };
          number += 1;
          if (number > MAX_PARTS) throw tooLarge(key, expected);
          buffer = await pool.takeNext(partSize(number, expected), signal);
          filled = 0;
        }
        const length = Math.min(chunk.length - offset, buffer.length - filled);
        buffer.set(length === chunk.length ? chunk : chunk.subarray(offset, offset + length), filled);
        filled += length;
        offset += length;
      }
    }
    const last: Buffer = buffer;
    buffer = undefined;
    pool.send(last);
    yield { number, buffer: last, bytes: last.subarray(0, filled), isLast: true };
  } finally {
    if (buffer !== undefined) pool.give(buffer);
  }
}

function tooLarge(key: string, expected: number | undefined): PgarcError {
  return new PgarcError(
    'failed',
    `${key} is larger than the ${largestStream(expected)} bytes an upload can hold`,
  );
}
