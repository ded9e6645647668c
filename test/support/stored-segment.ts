import { openDecoder } from '../../src/codec/codecs.ts';

/** Unpacks an LZ4 object of the archive, in memory. */
export async function unpackLz4(packed: Buffer): Promise<Buffer> {
  const decoder = await openDecoder('lz4');
  const chunks: Buffer[] = [];
  const whole = (async function* () {
    yield packed;
  })();
  for await (const chunk of decoder!.decompress(whole)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
