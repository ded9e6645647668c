/** How an object is compressed, by the extension of its key. */
export type CodecName = 'lz4' | 'zstd' | 'gzip' | 'brotli' | 'lzo' | 'none';

export interface DecompressOptions {
  /**
   * Memory may go from one stream to the next: no chunk is valid after the end. An empty one may come last.
   * After an error the last chunk stays as it is.
   * Default false.
   */
  reuse?: boolean;
}

export interface Decoder {
  readonly name: CodecName;
  /** Extension in a key, without the dot; empty for `none`. */
  readonly extension: string;
  /**
   * Turns compressed bytes into plain bytes in bounded memory (tens of MiB), whatever the input claims.
   * Chunks of the input are only read until the next one is asked for; those of the result stay as they are
   * until the next but one is.
   * @throws PgarcError `object-damaged` for damaged, truncated or trailing foreign bytes
   */
  decompress(input: AsyncIterable<Uint8Array>, options?: DecompressOptions): AsyncIterable<Buffer>;
}

export interface Encoder extends Decoder {
  /**
   * Compresses `input` as one complete frame; frames in a row are one valid stream.
   * Runs off the main thread. `output` must hold `bound(input.length)` bytes.
   * @returns bytes written to `output`
   */
  compressFrame(input: Uint8Array, output: Buffer): Promise<number>;
  /** Largest size of a frame over `length` input bytes. */
  bound(length: number): number;
}
