import { createServer } from 'node:net';

/**
 * Below what the kernel hands out for outgoing connections (32768 on Linux): else one of those might take the
 * port between two starts of its server.
 */
const [FIRST, COUNT] = [10_000, 22_000];

const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nobody listens on just now, and that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    // Any of many, since other test files look for ports at the same time.
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
