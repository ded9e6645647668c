import { resolve } from 'node:path';
import type { Encoder } from '../codec/codec.ts';
import { compressBuffer } from './compress.ts';
import { readExactly } from './read-exactly.ts';
import { openSource, type WalSource } from './source.ts';

export interface PrepareOptions {
  /** PostgreSQL's %p. */
  path: string;
  /** What a relative path starts from, and where the cluster may be. */
  cwd: string;
  /** Larger files are stored as a stream instead of from one buffer, bytes; default 64 MiB. */
  streamAbove?: number | undefined;
}

/** A checked WAL file whose compression is under way. Dispose of it to close the file. */
export interface PreparedWal extends AsyncDisposable {
  source: WalSource;
  /** Absolute. */
  path: string;
  cwd: string;
  encoder: Encoder;
  /** The compressed file; undefined for one that is too large to be held in memory. */
  packed: Promise<Buffer> | undefined;
  /** When it began, `performance.now()`. */
  began: number;
}

/** Up to here a file and what it compresses to are held in memory, bytes. */
export const STREAM_ABOVE = 64 * 1024 * 1024;

/**
 * Opens and checks a WAL file and starts to compress it, which happens on other threads: meanwhile this one can
 * load what speaks to the store.
 * @throws PgarcError `wal-invalid`
 */
export async function prepareWal(encoder: Encoder, options: PrepareOptions): Promise<PreparedWal> {
  const began = performance.now();
  const { cwd, streamAbove = STREAM_ABOVE } = options;
  const path = resolve(cwd, options.path);
  const source = await openSource(path);
  let packed: Promise<Buffer> | undefined;
  try {
    if (source.size <= streamAbove) packed = compressBuffer(await readSource(source), encoder);
  } catch (error) {
    await source.handle.close();
    throw error;
  }
  // Its error is thrown to who waits for it, which is nobody when the store cannot be opened.
  packed?.catch(() => undefined);
  return {
    source,
    path,
    cwd,
    encoder,
    packed,
    began,
    [Symbol.asyncDispose]: () => source.handle.close(),
  };
}

async function readSource(source: WalSource): Promise<Buffer> {
  const input = Buffer.allocUnsafeSlow(source.size);
  await readExactly(source.handle, input, 0);
  await source.assertUnchanged();
  return input;
}
