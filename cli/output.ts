import type { WriteStream } from 'node:tty';
import type { Output } from './context.ts';

/** A stream of the process as an Output; text passes through `filter` first. */
export interface StreamOutput extends Output {
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
  // The reader has gone (`pgarc … | head`): what follows interests nobody, the work itself goes on.
  stream.on('error', () => {
    closed = true;
  });
  return {
    write(text) {
      if (!closed) stream.write(filter(text));
    },
    isTerminal,
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
