import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder, Encoder } from '../../../src/codec/codec.ts';
import { EXTENSIONS, openDecoder, openEncoder } from '../../../src/codec/codecs.ts';
import { openLz4 } from '../../../src/codec/lz4.ts';
import { loadLz4Library } from '../../../src/codec/lz4-library.ts';
import { openLzo } from '../../../src/codec/lzo.ts';
import { chunksOf, decompressBytes, hasTool, outcomeOf, runTool, sampleBytes } from './samples.ts';

const SMALL = sampleBytes(3000);
const LARGE = sampleBytes(4 * 1024 * 1024 + 300_017);
const DAMAGED = { code: 'object-damaged' };

async function frameOf(encoder: Encoder, bytes: Uint8Array): Promise<Buffer> {
  const output = Buffer.alloc(encoder.bound(bytes.length));
  return Buffer.from(output.subarray(0, await encoder.compressFrame(bytes, output)));
}

interface Case {
  what: string;
  open(): Promise<Decoder | undefined>;
  pack(bytes: Buffer): Promise<Buffer>;
  /** Damage is noticed. */
  hasChecksum: boolean;
  /** Archives in a row are one stream. */
  concatenates: boolean;
}

const withoutLibrary = () => openLz4(async () => undefined);
const withoutHash = () => openLz4(() => loadLz4Library(undefined, []));
const encoding = (what: string, open: () => Promise<Encoder>): Case => ({
  what,
  open,
  pack: async (bytes) => frameOf(await open(), bytes),
  hasChecksum: true,
  concatenates: true,
});

const CASES: Case[] = [
  encoding('lz4', () => openEncoder('lz4')),
  encoding('lz4 without liblz4', withoutLibrary),
  encoding('lz4 without libxxhash', withoutHash),
  encoding('zstd', () => openEncoder('zstd')),
  {
    what: 'gzip',
    open: () => openDecoder('gz'),
    pack: async (bytes) => gzipSync(bytes, { level: 1 }),
    hasChecksum: true,
    concatenates: true,
  },
  {
    what: 'brotli',
    open: () => openDecoder('br'),
    pack: async (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
    hasChecksum: false,
    concatenates: false,
  },
];
if (hasTool('lzop')) {
  CASES.push({
    what: 'lzo',
    open: () => openDecoder('lzo'),
    pack: async (bytes) => runTool('lzop', ['-c'], bytes),
    hasChecksum: true,
    concatenates: false,
  });
}

describe.each(CASES)('$what', ({ open, pack, hasChecksum, concatenates, what }) => {
  let decoder: Decoder;
  let small: Buffer;
  let large: Buffer;
  beforeAll(async () => {
    decoder = (await open())!;
    small = await pack(SMALL);
    large = await pack(LARGE);
  });

  it('unpacks what was packed, whatever the chunks are', async () => {
    for (const size of [1, 1000, 1_000_000]) {
      expect((await decompressBytes(decoder, small, size)).equals(SMALL), `chunks of ${size}`).toBe(true);
    }
    for (const size of [65_536, 2_000_000, 20_000_000]) {
      expect((await decompressBytes(decoder, large, size)).equals(LARGE), `chunks of ${size}`).toBe(true);
    }
    expect(await decompressBytes(decoder, await pack(Buffer.alloc(0)))).toHaveLength(0);
  });

  if (concatenates) {
    it('unpacks frames in a row', async () => {
      const bytes = Buffer.concat([small, large, ...Array(10).fill(small)]);
      const expected = Buffer.concat([SMALL, LARGE, ...Array(10).fill(SMALL)]);
      for (const size of [999, 65_536, bytes.length]) {
        expect((await decompressBytes(decoder, bytes, size)).equals(expected), `chunks of ${size}`).toBe(
          true,
        );
      }
    });
  }

  // A process a try is slow: take fewer.
  const step = what === 'lzo' ? 211 : 13;

  it('refuses truncation', async () => {
    for (let length = 0; length < small.length; length += step) {
      expect([length, await outcomeOf(decoder, small.subarray(0, length), SMALL)]).toEqual([
        length,
        'damaged',
      ]);
    }
    for (const length of [large.length - 1, large.length >> 1]) {
      expect([length, await outcomeOf(decoder, large.subarray(0, length), LARGE)]).toEqual([
        length,
        'damaged',
      ]);
    }
  });

  it('refuses foreign bytes after the end', async () => {
    // lzop passes over zeros.
    for (const tail of ['x', 'a tail of some length', ...(what === 'lzo' ? [] : ['\0\0\0'])]) {
      const bytes = Buffer.concat([small, Buffer.from(tail)]);
      expect([tail, await outcomeOf(decoder, bytes, SMALL)]).toEqual([tail, 'damaged']);
    }
  });

  it('refuses other data', async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(5000),
      Buffer.from('<html>'),
      Buffer.alloc(5000, 0xff),
    ]) {
      expect(await outcomeOf(decoder, bytes, SMALL)).toBe('damaged');
    }
  });

  if (hasChecksum) {
    it('never hands out wrong data for a flipped bit', async () => {
      for (let at = 0; at < small.length; at += at < 40 && what !== 'lzo' ? 1 : step) {
        const bad = Buffer.from(small);
        bad[at]! ^= 1 << (at % 8);
        expect([at, await outcomeOf(decoder, bad, SMALL)]).not.toEqual([at, 'wrong']);
      }
    });
  }

  it('passes on errors of its input as they are', async () => {
    const failure = new Error('the connection broke');
    async function* input(): AsyncGenerator<Buffer> {
      yield large.subarray(0, 100_000);
      throw failure;
    }
    const reading = async () => {
      for await (const _ of decoder.decompress(input())) {
        // Only the end matters.
      }
    };
    await expect(reading()).rejects.toBe(failure);
  });

  it('closes its input when the reader stops early', async () => {
    let isClosed = false;
    async function* input(): AsyncGenerator<Buffer> {
      try {
        yield* chunksOf(large, 65_536);
      } finally {
        isClosed = true;
      }
    }
    for await (const _ of decoder.decompress(input())) break;
    await expect.poll(() => isClosed).toBe(true);
  });

  it('hands out pieces of bounded size for data that packs to nothing', async () => {
    const bomb = await pack(Buffer.alloc(20 * 1024 * 1024));
    let total = 0;
    for await (const chunk of decoder.decompress(chunksOf(bomb, 65_536))) {
      expect(chunk.length).toBeLessThanOrEqual(4 * 1024 * 1024);
      total += chunk.length;
    }
    expect(total).toBe(20 * 1024 * 1024);
  });
});

describe('encoders', () => {
  it.each([
    ['lz4', () => openEncoder('lz4')],
    ['lz4 without liblz4', withoutLibrary],
    ['zstd', () => openEncoder('zstd')],
  ])('%s stays within its bound and works in parallel on views', async (_what, open) => {
    const encoder = await open();
    const noise = Buffer.from(
      Array.from({ length: 300_000 }, (_, at) => (Math.imul(at, 2654435761) ^ (at << 7)) >>> 13),
    );
    const jobs = [0, 1, 65_536, 299_999].map(async (length, index) => {
      const input = noise.subarray(index, index + length);
      expect((await decompressBytes(encoder, await frameOf(encoder, input))).equals(input)).toBe(true);
    });
    await Promise.all(jobs);
  });

  it('lz4 keeps input alive that nobody else holds', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const encoder = await openEncoder('lz4');
    const jobs = Array.from({ length: 6 }, async () => {
      const output = Buffer.alloc(encoder.bound(LARGE.length));
      const packing = encoder.compressFrame(Buffer.from(LARGE), output);
      collect();
      return output.subarray(0, await packing);
    });
    for (const frame of await Promise.all(jobs)) {
      expect((await decompressBytes(encoder, frame)).equals(LARGE)).toBe(true);
    }
  });

  it.each([
    ['lz4', () => openEncoder('lz4')],
    ['lz4 without liblz4', withoutLibrary],
  ])('%s announces 4 MiB independent blocks and a content checksum', async (_what, open) => {
    for (const bytes of [SMALL, LARGE]) {
      expect((await frameOf(await open(), bytes)).toString('hex', 0, 7)).toBe('04224d186470b9');
    }
  });

  it.each([
    ['lz4', () => openEncoder('lz4'), ['-dc']],
    ['lz4', withoutLibrary, ['-dc']],
    ['zstd', () => openEncoder('zstd'), ['-dc']],
  ] as const)('%s writes what the tool reads', async (tool, open, args) => {
    if (!hasTool(tool)) return expect.soft(true, `${tool} is not installed`).toBe(true);
    const encoder = await open();
    const frames = Buffer.concat([await frameOf(encoder, LARGE), await frameOf(encoder, SMALL)]);
    expect(runTool(tool, [...args], frames).equals(Buffer.concat([LARGE, SMALL]))).toBe(true);
  });
});

describe('decoders read what tools write', () => {
  it
    .skipIf(!hasTool('lz4'))
    .each([
      ['-1'],
      ['-9'],
      ['-BD', '-B4'],
      ['-BD', '-B7', '-9'],
      ['-BX', '-B5'],
      ['--no-frame-crc'],
      ['--content-size'],
    ])('lz4 %s', async (...args) => {
    const packed = runTool('lz4', ['-c', ...args], LARGE);
    for (const decoder of [await openEncoder('lz4'), await withoutHash(), await withoutLibrary()]) {
      expect((await decompressBytes(decoder, packed)).equals(LARGE)).toBe(true);
    }
  });

  it('lz4 with skippable frames between', async () => {
    const skippable = Buffer.concat([Buffer.from('502a4d1810000000', 'hex'), Buffer.alloc(16, 'x')]);
    for (const encoder of [await openEncoder('lz4'), await withoutLibrary()]) {
      const bytes = Buffer.concat([skippable, await frameOf(encoder, SMALL), skippable]);
      expect((await decompressBytes(encoder, bytes, 5)).equals(SMALL)).toBe(true);
    }
  });

  it.skipIf(!hasTool('zstd')).each([['-1'], ['-9'], ['--no-check'], ['--long=27'], ['-T2', '-B1MiB']])(
    'zstd %s',
    async (...args) => {
      const packed = runTool('zstd', ['-c', ...args], LARGE);
      expect((await decompressBytes((await openDecoder('zst'))!, packed)).equals(LARGE)).toBe(true);
    },
  );

  it.skipIf(!hasTool('zstd'))('zstd refuses a window beyond 128 MiB', async () => {
    const packed = runTool('zstd', ['-c', '--long=28'], SMALL);
    // From a pipe the tool does not know the size and announces the whole window.
    await expect(decompressBytes((await openDecoder('zst'))!, packed)).rejects.toThrow(
      'window of 268435456 bytes',
    );
  });

  it('zstd with skippable frames between', async () => {
    const encoder = await openEncoder('zstd');
    const skippable = Buffer.concat([Buffer.from('502a4d1810000000', 'hex'), Buffer.alloc(16, 'x')]);
    const bytes = Buffer.concat([skippable, await frameOf(encoder, SMALL), skippable]);
    expect((await decompressBytes(encoder, bytes, 5)).equals(SMALL)).toBe(true);
  });
});

describe('openLzo', () => {
  it('says how to get lzop where it is missing', async () => {
    await expect(decompressBytes(openLzo('no-such-lzop'), SMALL)).rejects.toMatchObject({
      code: 'failed',
      hint: expect.stringContaining('apt install lzop'),
    });
  });
});

describe('openDecoder', () => {
  it('opens every extension it names, and no other', async () => {
    for (const extension of EXTENSIONS) expect((await openDecoder(extension))?.extension).toBe(extension);
    expect(await openDecoder('lzma')).toBeUndefined();
  });

  it('reads uncompressed objects as they are', async () => {
    expect((await decompressBytes((await openDecoder(''))!, LARGE)).equals(LARGE)).toBe(true);
  });
});

it('gives streams that reuse memory their own bytes, also at the same time and after broken ones', async () => {
  const encoder = await openEncoder('lz4');
  const inputs = await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const plain = Buffer.concat([LARGE.subarray(index * 1000), Buffer.from(`end ${index}`)]);
      return { plain, packed: await frameOf(encoder, plain) };
    }),
  );
  const read = async (packed: Buffer) => {
    const parts: Buffer[] = [];
    for await (const chunk of encoder.decompress(chunksOf(packed, 100_000), { reuse: true })) {
      // Valid until the next one is asked for, and other streams go on meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
      parts.push(Buffer.from(chunk));
    }
    return Buffer.concat(parts);
  };
  for (let round = 0; round < 3; round++) {
    const results = await Promise.all(inputs.map(({ packed }) => read(packed)));
    expect(results.map((result, index) => result.equals(inputs[index]!.plain))).toEqual(
      inputs.map(() => true),
    );
    const { packed } = inputs[0]!;
    await expect(read(packed.subarray(0, packed.length >> 1))).rejects.toMatchObject(DAMAGED);
    for await (const chunk of encoder.decompress(chunksOf(packed, 100_000), { reuse: true })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  }
});

it('leaves the last chunk before a failure alone, on which who reads ahead is still at work', async () => {
  const encoder = await openEncoder('lz4');
  const open = (bytes: Buffer) =>
    encoder.decompress(chunksOf(bytes, 100_000), { reuse: true })[Symbol.asyncIterator]();
  const packed = await frameOf(encoder, LARGE);
  const broken = open(packed.subarray(0, packed.length - 100));
  const { value } = await broken.next();
  await expect(broken.next()).rejects.toMatchObject(DAMAGED);
  // As many as there may be spare rooms, and one more.
  const zeros = await frameOf(encoder, Buffer.alloc(LARGE.length));
  const others = Array.from({ length: 5 }, () => open(zeros));
  await Promise.all(others.flatMap((other) => [other.next(), other.next()]));
  expect(LARGE.subarray(0, value!.length).equals(value!)).toBe(true);
  await Promise.all(others.map((other) => other.return?.()));
});
