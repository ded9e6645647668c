import type { FileHandle } from 'node:fs/promises';
import type { Encoder } from '../codec/codec.ts';
import { readExactly } from './read-exactly.ts';

/** Input bytes of one frame: 4 MiB, as WAL-G cuts them; several are compressed at the same time. */
const FRAME_SIZE = 4 * 1024 * 1024;

/** Frames of a stream that are on their way at the same time. */
const SLOTS = 4;

/** Compresses bytes that are in memory into one buffer of frames, all frames in parallel. */
export async function compressBuffer(input: Buffer, encoder: Encoder): Promise<Buffer> {
  const bound = encoder.bound(FRAME_SIZE);
  const count = Math.ceil(input.length / FRAME_SIZE);
  const output = Buffer.allocUnsafeSlow(count * bound);
  const lengths = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      encoder.compressFrame(
        input.subarray(index * FRAME_SIZE, (index + 1) * FRAME_SIZE),
        output.subarray(index * bound, (index + 1) * bound),
      ),
    ),
  );
  let end = 0;
  for (const [index, length] of lengths.entries()) {
    if (index > 0) output.copyWithin(end, index * bound, index * bound + length);
    end += length;
  }
  return output.subarray(0, end);
}

/**
 * Reads and compresses a file of `size` bytes frame by frame, four in parallel, in 40 MiB whatever its size.
 * @throws PgarcError `wal-invalid` when the file ends early
 */
export async function* compressFile(
  handle: FileHandle,
  size: number,
  encoder: Encoder,
): AsyncGenerator<Buffer> {
  const pending: Promise<Buffer>[] = [];
  const slots = Array.from({ length: SLOTS }, () => ({
    input: Buffer.allocUnsafeSlow(FRAME_SIZE),
    output: Buffer.allocUnsafeSlow(encoder.bound(FRAME_SIZE)),
  }));
  const begin = (index: number) => {
    const offset = index * FRAME_SIZE;
    if (offset >= size) return;
    const slot = slots[index % SLOTS]!;
    const frame = compressAt(handle, offset, Math.min(FRAME_SIZE, size - offset), slot, encoder);
    // Its error is thrown when its turn comes, which is never when the reader stops before.
    frame.catch(() => undefined);
    pending.push(frame);
  };
  for (let index = 0; index < SLOTS; index++) begin(index);
  try {
    for (let next = SLOTS; pending.length > 0; next++) {
      yield await pending.shift()!;
      begin(next);
    }
  } finally {
    // Nobody may close the file or reuse memory while a frame is still being made.
    await Promise.allSettled(pending);
  }
}

async function compressAt(
  handle: FileHandle,
  offset: number,
  length: number,
  slot: { input: Buffer; output: Buffer },
  encoder: Encoder,
): Promise<Buffer> {
  const input = slot.input.subarray(0, length);
  await readExactly(handle, input, offset);
  return slot.output.subarray(0, await encoder.compressFrame(input, slot.output));
}
