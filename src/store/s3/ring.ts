/** Bytes that may wait for a slow reader before the connection is told to wait. */
const RING_BYTES = 2 * 1024 * 1024;

/** Below this, fresh memory costs nothing worth sparing. */
const SMALL_BYTES = 64 * 1024;

/** Handed out at a time at most, so that there is always room for what arrives meanwhile. */
const READ_BYTES = RING_BYTES / 4;

/** Rings of bodies that have ended, for the next ones. */
const spare: Buffer[] = [];
const MOST_SPARE = 8;

/** Memory that nothing was written to takes no room. */
const makeRing = (bytes: number) => Buffer.allocUnsafeSlow(bytes);

/** Bytes on their way from a connection to its reader, in memory that is used again and again. */
export interface Ring {
  /** Bytes that wait, those that are handed out included. */
  readonly length: number;
  /** Copies what fits. @returns bytes taken */
  write(chunk: Uint8Array): number;
  /** The next bytes, as many as lie side by side; empty when none wait. Valid until they are released. */
  read(): Buffer;
  /** Makes room of what was read. */
  release(bytes: number): void;
  /** The memory goes to another body; nothing of it may be used any more. */
  giveBack(): void;
}

/** @param size bytes that will come at most */
export function borrowRing(size: number): Ring {
  const isSpare = size >= SMALL_BYTES;
  const memory = isSpare ? (spare.pop() ?? makeRing(RING_BYTES)) : makeRing(size);
  let begin = 0;
  let length = 0;
  return {
    get length() {
      return length;
    },
    write(chunk) {
      const taken = Math.min(chunk.length, memory.length - length);
      const at = (begin + length) % memory.length;
      const first = Math.min(taken, memory.length - at);
      if (first > 0) memory.set(chunk.subarray(0, first), at);
      if (taken > first) memory.set(chunk.subarray(first, taken), 0);
      length += taken;
      return taken;
    },
    read: () => memory.subarray(begin, Math.min(begin + Math.min(length, READ_BYTES), memory.length)),
    release(bytes) {
      begin = (begin + bytes) % memory.length;
      length -= bytes;
    },
    giveBack() {
      if (isSpare && spare.length < MOST_SPARE) spare.push(memory);
    },
  };
}
