/** Reads LZ4 frames block by block (LZ4 Frame Format Description 1.6.1, doc/lz4_Frame_format.md). */
import { PgarcError } from '../errors.ts';
import { ByteSource } from './byte-source.ts';
import type { DecompressOptions } from './codec.ts';
import { type Lz4FrameHeader, readLz4FrameHeader } from './lz4-frame.ts';
import { xxh32 } from './xxh32.ts';

/** What a library does for the reader of frames. */
export interface Lz4Blocks {
  /**
   * Unpacks one block.
   * @param history what came before it, 64 KiB at most; empty for an independent block
   * @returns the plain bytes, in `output` or a buffer of their own
   * @throws PgarcError `object-damaged`, also for more than `output` holds
   */
  unpack(packed: Buffer, output: Buffer, history: Buffer): Promise<Buffer>;
  /** XXH32 with seed 0, of bytes as they come. */
  openHash(): ContentHash;
}

export interface ContentHash {
  update(bytes: Buffer): Promise<void>;
  /** @returns an unsigned number */
  digest(): number;
  /** Frees its memory; not while an update runs. */
  close(): void;
}

/** Set in the size of a block that is stored as it is. */
const STORED = 0x8000_0000;
/** How far back a dependent block may reach. */
const HISTORY = 64 * 1024;

/** Buffers of a stream, for frames of the same block size. */
interface Room {
  packed: Buffer;
  /** Two in turn: one is filled while the reader works on the other. */
  output: [Buffer, Buffer];
}

/**
 * Rooms of streams that have ended, for the next ones: with a segment of WAL in each, fresh memory and its
 * collection take as long as all the unpacking.
 */
const spare: Room[] = [];
/** Of 12 MiB at most. */
const MOST_SPARE = 4;

/** Unpacks frames in a row, and passes over skippable ones. @throws PgarcError `object-damaged` */
export async function* readLz4Frames(
  input: AsyncIterable<Uint8Array>,
  blocks: Lz4Blocks,
  { reuse = false }: DecompressOptions = {},
): AsyncGenerator<Buffer> {
  const source = new ByteSource(input, 'lz4 data');
  let room = makeRoom(0);
  let isFailed = false;
  try {
    do {
      const header = await readLz4FrameHeader(source);
      if (header === undefined) continue;
      if (header.maxBlockSize !== room.packed.length) room = takeRoom(header.maxBlockSize, reuse);
      yield* readFrame(source, header, blocks, room);
    } while (!(await source.isAtEnd()));
    // Who reads a chunk ahead asks for the end while the last one is still in use.
    if (reuse) yield Buffer.alloc(0);
  } catch (error) {
    // And so he does when there is a failure instead: that memory goes to nobody else.
    isFailed = true;
    throw error;
  } finally {
    if (reuse && !isFailed && room.packed.length > 0 && spare.length < MOST_SPARE) spare.push(room);
    await source.close();
  }
}

function takeRoom(blockSize: number, reuse: boolean): Room {
  const at = reuse ? spare.findIndex(({ packed }) => packed.length === blockSize) : -1;
  const [room] = at < 0 ? [] : spare.splice(at, 1);
  return room ?? makeRoom(blockSize);
}

/** Pages nobody writes to take no memory, so the size a small frame claims does not matter. */
function makeRoom(blockSize: number): Room {
  const make = () => Buffer.allocUnsafeSlow(blockSize);
  return { packed: make(), output: [make(), make()] };
}

async function* readFrame(
  source: ByteSource,
  header: Lz4FrameHeader,
  blocks: Lz4Blocks,
  room: Room,
): AsyncGenerator<Buffer> {
  const hash = header.hasContentChecksum ? blocks.openHash() : undefined;
  try {
    let history: Buffer = Buffer.alloc(0);
    let total = 0;
    for (;;) {
      const word = (await source.take(4)).readUInt32LE();
      if (word === 0) break;
      const block = await readBlock(source, word, header, blocks, room, history);
      room.output.reverse();
      await hash?.update(block);
      total += block.length;
      if (!header.isIndependent) history = lastBytes(history, block);
      yield block;
    }
    if (hash !== undefined && (await source.take(4)).readUInt32LE() !== hash.digest()) {
      throw damaged('the content has a wrong checksum');
    }
    if (header.contentSize !== undefined && header.contentSize !== BigInt(total))
      throw damaged('the size is wrong');
  } finally {
    hash?.close();
  }
}

async function readBlock(
  source: ByteSource,
  word: number,
  header: Lz4FrameHeader,
  blocks: Lz4Blocks,
  { packed: room, output: [output] }: Room,
  history: Buffer,
): Promise<Buffer> {
  const length = word % STORED;
  if (length > header.maxBlockSize) throw damaged('a block is too large');
  const isStored = word >= STORED;
  const packed = isStored ? output.subarray(0, length) : room.subarray(0, length);
  const block = isStored ? await source.fill(packed) : await source.take(length, packed);
  // Rare, and not worth a way of its own into the library.
  const checksum = header.hasBlockChecksum ? xxh32(block) : undefined;
  const plain = isStored ? block : await blocks.unpack(block, output, history);
  if (checksum !== undefined && (await source.take(4)).readUInt32LE() !== checksum) {
    throw damaged('a block has a wrong checksum');
  }
  return plain;
}

function lastBytes(history: Buffer, block: Buffer): Buffer {
  if (block.length >= HISTORY) return Buffer.from(block.subarray(-HISTORY));
  return Buffer.concat([history, block]).subarray(-HISTORY);
}

function damaged(why: string): PgarcError {
  return new PgarcError('object-damaged', `lz4 data is damaged: ${why}`);
}
