/** The codecs by name; each is loaded when it is first opened. */
import { PgarcError } from '../errors.ts';
import type { Decoder, Encoder } from './codec.ts';

/** Extensions that can be read, most likely first. */
export const EXTENSIONS: readonly string[] = ['lz4', 'zst', 'lzo', 'gz', 'br', ''];

/** Opens a codec to write with. */
export async function openEncoder(method: 'lz4' | 'zstd'): Promise<Encoder> {
  return method === 'lz4' ? openLz4Once() : (await import('./zstd.ts')).zstd;
}

/** Opens the codec of objects whose key ends in `.<extension>`. @returns undefined for an unknown one */
export async function openDecoder(extension: string): Promise<Decoder | undefined> {
  switch (extension) {
    case 'lz4':
      return openLz4Once();
    case 'zst':
      return (await import('./zstd.ts')).zstd;
    case 'lzo':
      return (await import('./lzo.ts')).openLzo();
    case 'gz':
      return (await import('./gzip.ts')).gzip;
    case 'br':
      return (await import('./brotli.ts')).brotli;
    case '':
      return (await import('./none.ts')).none;
    default:
      return undefined;
  }
}

/**
 * Unpacks a whole object that should hold at most `maxBytes`.
 * @throws PgarcError `object-damaged` when it holds more, or is damaged
 */
export async function decompressWhole(
  decoder: Decoder,
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of decoder.decompress(input)) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new PgarcError('object-damaged', `the object holds more than the ${maxBytes} bytes it may`);
    }
    // Copied: a decoder reuses its buffer.
    parts.push(Buffer.from(chunk));
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
}

let lz4: Promise<Encoder> | undefined;

function openLz4Once(): Promise<Encoder> {
  lz4 ??= import('./lz4.ts').then((module) => module.openLz4());
  return lz4;
}
