/** The LZ4 frame header (LZ4 Frame Format Description 1.6.1, doc/lz4_Frame_format.md). */
import { PgarcError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { xxh32 } from './xxh32.ts';

/**
 * What every frame pgarc writes starts with: magic number, FLG 64 (version 1, independent blocks, content
 * checksum), BD 70 (blocks up to 4 MiB) and the checksum of these two. Libraries announce smaller blocks
 * for small input, which is as valid; here all frames begin alike.
 */
export const LZ4_FRAME_HEADER: Buffer = Buffer.from('04224d186470b9', 'hex');

const MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;

export interface Lz4FrameHeader {
  isIndependent: boolean;
  hasBlockChecksum: boolean;
  hasContentChecksum: boolean;
  contentSize: bigint | undefined;
  /** Bytes, unpacked as well as packed. */
  maxBlockSize: number;
}

/**
 * Reads a frame's header.
 * @returns undefined after a skippable frame, which is passed over whole
 * @throws PgarcError `object-damaged`
 */
export async function readLz4FrameHeader(source: ByteSource): Promise<Lz4FrameHeader | undefined> {
  const magic = (await source.take(4)).readUInt32LE();
  if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
    await source.skip((await source.take(4)).readUInt32LE());
    return undefined;
  }
  if (magic !== MAGIC) throw damaged('no frame starts here');
  const fixed = Buffer.from(await source.take(2));
  const [flags, blockDescriptor] = [fixed[0]!, fixed[1]!];
  if (flags >> 6 !== 1) throw damaged('the frame is of an unknown version');
  if ((flags & 0x03) !== 0 || (blockDescriptor & 0x8f) !== 0)
    throw damaged('the frame needs an unknown feature');
  const sizeCode = blockDescriptor >> 4;
  if (sizeCode < 4) throw damaged('the block size is unknown');
  const hasContentSize = (flags & 0x08) !== 0;
  const size = hasContentSize ? Buffer.from(await source.take(8)) : Buffer.alloc(0);
  const checksum = (await source.take(1))[0];
  if (checksum !== ((xxh32(Buffer.concat([fixed, size])) >>> 8) & 0xff)) {
    throw damaged('the frame header has a wrong checksum');
  }
  return {
    isIndependent: (flags & 0x20) !== 0,
    hasBlockChecksum: (flags & 0x10) !== 0,
    hasContentChecksum: (flags & 0x04) !== 0,
    contentSize: hasContentSize ? size.readBigUInt64LE() : undefined,
    maxBlockSize: 2 ** (8 + 2 * sizeCode),
  };
}

function damaged(why: string): PgarcError {
  return new PgarcError('object-damaged', `lz4 data is damaged: ${why}`);
}
