/**
 * Joins small chunks into pieces of about `size` bytes, so that work with a fixed price a call is done less
 * often. A large chunk is passed on as it is. Pieces are valid until the next is asked for.
 */
export async function* gather(input: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let piece: Buffer | undefined;
  let filled = 0;
  for await (const chunk of input) {
    if (filled === 0 && chunk.length >= size / 2) {
      yield chunk;
      continue;
    }
    piece ??= Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + size - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < size) continue;
      yield piece;
      filled = 0;
    }
  }
  if (piece !== undefined && filled > 0) yield piece.subarray(0, filled);
}
