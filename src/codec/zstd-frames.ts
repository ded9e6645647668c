/** Finds where zstd frames end (RFC 8878, section 3.1), without unpacking them. */
import { PgarcError } from '../errors.ts';
import { ByteSource } from './byte-source.ts';
import { gather } from './gather.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;
const DICTIONARY_ID_SIZES = [0, 1, 2, 4] as const;

/** Piece, bytes. */
const PIECE = 256 * 1024;

/** A frame may ask the reader to keep this much, bytes: what the zstd program takes without an option. */
export const MAX_WINDOW = 128 * 1024 * 1024;

/**
 * Passes frames on in pieces of which none reaches across the end of a frame, and leaves skippable frames
 * out: node:zlib drops whatever follows the end of a frame within one write. Pieces are valid until the
 * next is asked for.
 * @throws PgarcError `object-damaged` when frames are truncated, followed by foreign bytes, or need a
 *   larger window or a dictionary
 */
export async function* splitZstdFrames(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(input, 'zstd data');
  try {
    do {
      const magic = Buffer.from(await source.take(4));
      const number = magic.readUInt32LE();
      if (number === MAGIC) yield* gather(passFrame(source, magic), PIECE);
      else if ((number & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
        await source.skip((await source.take(4)).readUInt32LE());
      } else throw damaged('no frame starts here');
    } while (!(await source.isAtEnd()));
  } finally {
    await source.close();
  }
}

async function* passFrame(source: ByteSource, magic: Buffer): AsyncGenerator<Buffer> {
  const descriptor = Buffer.from(await source.take(1));
  const flags = descriptor[0]!;
  const isSingleSegment = (flags & 0x20) !== 0;
  const dictionaryIdSize = DICTIONARY_ID_SIZES[(flags & 0x03) as 0 | 1 | 2 | 3];
  const sizeCode = flags >> 6;
  const contentSizeSize = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeCode;
  const rest = Buffer.from(await source.take((isSingleSegment ? 0 : 1) + dictionaryIdSize + contentSizeSize));
  if (!isSingleSegment) checkWindow(windowSize(rest[0]!));
  else if (contentSizeSize === 8) checkWindow(Number(rest.readBigUInt64LE(rest.length - 8)));
  else if (contentSizeSize === 4) checkWindow(rest.readUInt32LE(rest.length - 4));
  yield Buffer.concat([magic, descriptor, rest]);

  for (let isLast = false; !isLast; ) {
    const header = await source.take(3);
    const word = header.readUIntLE(0, 3);
    isLast = (word & 1) !== 0;
    const type = (word >> 1) & 3;
    if (type === BLOCK_RESERVED) throw damaged('a block is of an unknown type');
    yield header;
    for (let left = type === BLOCK_RLE ? 1 : word >> 3; left > 0; ) {
      const piece = await source.takeSome(left);
      left -= piece.length;
      yield piece;
    }
  }
  if ((flags & 0x04) !== 0) yield await source.take(4);
}

/** Window_Descriptor: an exponent and eighths. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function checkWindow(size: number): void {
  if (size > MAX_WINDOW) throw damaged(`it needs a window of ${size} bytes, and ${MAX_WINDOW} are allowed`);
}

function damaged(why: string): PgarcError {
  return new PgarcError('object-damaged', `zstd data is damaged: ${why}`);
}
