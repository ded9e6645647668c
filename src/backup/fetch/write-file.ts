import { write, writeSync } from 'node:fs';

/** Below this a write on the main thread is quicker than the way to a worker thread and back, bytes. */
const SMALL_WRITE = 64 * 1024;

/** Writes all of `chunk` at the offset `at`. */
export async function writeChunk(fd: number, chunk: Buffer, at: number): Promise<void> {
  if (chunk.length <= SMALL_WRITE) {
    for (let done = 0; done < chunk.length; ) {
      done += writeSync(fd, chunk, done, chunk.length - done, at + done);
    }
    return;
  }
  for (let done = 0; done < chunk.length; ) done += await writeSome(fd, chunk, done, at + done);
}

function writeSome(fd: number, chunk: Buffer, from: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, chunk, from, chunk.length - from, at, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}
