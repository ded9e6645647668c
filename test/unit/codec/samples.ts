/** Data and streams for the tests of codecs. */
import { execFileSync } from 'node:child_process';
import type { Decoder } from '../../../src/codec/codec.ts';
import { isPgarcError } from '../../../src/errors.ts';

/** Bytes that pack about as well as WAL does: runs of zeros, repeats and noise; the same every time. */
export function sampleBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 12345;
  for (let at = 0; at < length; ) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const run = (state >>> 16) % 200;
    const kind = (state >>> 8) % 3;
    for (let end = Math.min(length, at + run); at < end; at++) {
      if (kind === 1) bytes[at] = at & 0x3f;
      else if (kind === 2) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        bytes[at] = state >>> 24;
      }
    }
  }
  return bytes;
}

/** Cuts bytes into chunks that share one buffer, so that nobody may keep one. */
export async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Buffer> {
  const shared = Buffer.alloc(Math.min(size, Math.max(1, bytes.length)));
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    shared.fill(0xee);
    shared.set(part);
    yield shared.subarray(0, part.length);
  }
}

export async function decompressBytes(decoder: Decoder, bytes: Uint8Array, size = 65_536): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of decoder.decompress(chunksOf(bytes, size))) {
    parts.push(Buffer.from(chunk));
    chunk.fill(0xdd);
  }
  return Buffer.concat(parts);
}

/** What becomes of bytes that may be damaged: the data they should hold, other data, or a refusal. */
export async function outcomeOf(decoder: Decoder, bytes: Uint8Array, expected: Buffer): Promise<string> {
  try {
    return (await decompressBytes(decoder, bytes)).equals(expected) ? 'right' : 'wrong';
  } catch (error) {
    if (isPgarcError(error, 'object-damaged')) return 'damaged';
    throw error;
  }
}

/** True when a program is installed. */
export function hasTool(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function runTool(name: string, args: string[], input: Uint8Array): Buffer {
  return execFileSync(name, args, { input, maxBuffer: 2 ** 30, stdio: ['pipe', 'pipe', 'ignore'] });
}
