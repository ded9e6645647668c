import type { WriteStream } from 'node:tty';
import { codeOf } from '../src/system/file-error.ts';
import type { Output } from './context.ts';

/** A stream of the process as an Output; text passes through `filter` first. */
export interface StreamOutput extends Output {
  /** Why something written did not arrive, such as a full disk; a reader who has gone does not count. */
  readonly failure: Error | undefined;
  /** Resolves when everything written has left the process. */
  flush(): Promise<void>;
}

/** @param filter hides secrets, or clears a progress line before */
export function createOutput(
  stream: NodeJS.WriteStream,
  filter: (text: string) => string = (text) => text,
): StreamOutput {
  const terminal = stream as WriteStream;
  const isTerminal = terminal.isTTY === true;
  let closed = false;
  let failure: Error | undefined;
  // The work itself goes on. When the reader has gone (`pgarc … | head`), what follows interests nobody.
  stream.on('error', (error) => {
    closed = true;
    if (codeOf(error) !== 'EPIPE') failure ??= error;
  });
  return {
    write(text) {
      if (!closed) stream.write(filter(text));
    },
    isTerminal,
    get failure() {
      return failure;
    },
    get columns() {
      return (isTerminal && terminal.columns) || 80;
    },
    colors: isTerminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    flush: () =>
      new Promise((resolve) => {
        if (closed || stream.destroyed) resolve();
        else {
          stream.once('error', () => resolve());
          stream.write('', () => resolve());
        }
      }),
  };
}
