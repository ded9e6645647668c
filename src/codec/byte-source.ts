import { PgarcError } from '../errors.ts';

/**
 * Reads a stream of chunks in pieces of known length without copying where a piece lies within one chunk.
 * Whatever it hands out is valid until the next read.
 */
export class ByteSource {
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #ended = false;

  /** `what` names the stream in errors: "tar". */
  constructor(input: AsyncIterable<Uint8Array>, what: string) {
    this.#input = input[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** A piece that is already here, without waiting. @returns undefined when it is not */
  takeNow(length: number): Buffer | undefined {
    const end = this.#at + length;
    if (end > this.#chunk.length) return undefined;
    const piece = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  /**
   * A piece of exactly `length` bytes (callers bound it: it may be copied).
   * @param room where it is put together when it lies in several chunks; made when left out
   * @throws PgarcError `object-damaged` when the stream ends inside it
   */
  async take(length: number, room?: Buffer): Promise<Buffer> {
    return this.takeNow(length) ?? (await this.fill(room ?? Buffer.allocUnsafe(length)));
  }

  /** Fills `piece` whole and returns it. @throws PgarcError `object-damaged` when the stream ends before */
  async fill(piece: Buffer): Promise<Buffer> {
    for (let filled = 0; filled < piece.length; ) {
      filled += (await this.takeSome(piece.length - filled)).copy(piece, filled);
    }
    return piece;
  }

  /** The next 1 to `length` bytes. @throws PgarcError `object-damaged` at the end of the stream */
  async takeSome(length: number): Promise<Buffer> {
    if (!(await this.#fill())) throw new PgarcError('object-damaged', `${this.#what} is truncated`);
    const end = Math.min(this.#at + length, this.#chunk.length);
    const piece = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  /** Passes over `length` bytes. @throws PgarcError `object-damaged` when there are fewer */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.takeSome(left)).length;
  }

  /** True when nothing remains. */
  async isAtEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** What remains, to the end: reading it lets a decoder check the end of its stream. */
  async *rest(): AsyncGenerator<Buffer> {
    while (await this.#fill()) {
      const piece = this.#chunk.subarray(this.#at);
      this.#at = this.#chunk.length;
      yield piece;
    }
  }

  /** Lets go of the stream before its end. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#at = this.#chunk.length;
    await this.#input.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      if (this.#ended) return false;
      const next = await this.#input.next();
      if (next.done === true) {
        this.#ended = true;
        return false;
      }
      const { buffer, byteOffset, length } = next.value;
      this.#chunk = Buffer.from(buffer, byteOffset, length);
      this.#at = 0;
    }
    return true;
  }
}
