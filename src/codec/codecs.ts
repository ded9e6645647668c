/** The codecs by name; each is loaded when it is first opened. */
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

let lz4: Promise<Encoder> | undefined;

function openLz4Once(): Promise<Encoder> {
  lz4 ??= import('./lz4.ts').then((module) => module.openLz4());
  return lz4;
}
