/** lzop files, as WAL-E wrote them, through the program lzop: no library for Node reads them. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, PgarcError } from '../errors.ts';
import type { Decoder } from './codec.ts';

type Lzop = ChildProcessByStdio<Writable, Readable, Readable>;

/** Enough of what lzop says to tell what is wrong. */
const MAX_MESSAGE = 500;

/** Opens the codec on a program that behaves as `lzop -dc`. */
export function openLzo(program = 'lzop'): Decoder {
  return { name: 'lzo', extension: 'lzo', decompress: (input) => decompress(program, input) };
}

async function* decompress(program: string, input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const lzop = await start(program);
  const closed = once(lzop, 'close') as Promise<[number | null]>;
  closed.catch(() => undefined);
  let message = '';
  lzop.stderr.setEncoding('utf8').on('data', (text: string) => {
    message = (message + text).slice(0, MAX_MESSAGE);
  });
  let inputError: unknown;
  const feeding = pipeline(
    watched(input, (error) => (inputError = error)),
    lzop.stdin,
  ).catch(() => {
    // It stops reading when it finds damage, and says so itself; but it must not wait for a failed input.
    if (inputError !== undefined) lzop.kill();
  });
  try {
    for await (const chunk of lzop.stdout) yield chunk as Buffer;
    await feeding;
    const [code] = await closed;
    if (inputError !== undefined) throw inputError;
    if (code !== 0 || message !== '') {
      const why = message.trim().replaceAll(/\s+/g, ' ') || `lzop ended with ${code ?? 'a signal'}`;
      throw new PgarcError('object-damaged', `lzo data is damaged: ${why}`);
    }
  } finally {
    lzop.kill();
  }
}

async function start(program: string): Promise<Lzop> {
  const lzop = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] });
  try {
    await once(lzop, 'spawn');
    return lzop;
  } catch (cause) {
    throw new PgarcError('failed', `cannot run ${program} to read an lzo object: ${messageOf(cause)}`, {
      cause,
      hint: 'Install it, for example with: apt install lzop',
    });
  }
}

async function* watched(
  input: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    // Copied: the pipe keeps a chunk past the moment the next one is asked for.
    for await (const chunk of input) yield Buffer.from(chunk);
  } catch (error) {
    onError(error);
    throw error;
  }
}
