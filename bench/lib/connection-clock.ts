import { type AddressInfo, connect, createServer } from 'node:net';
import { atEnd } from '../../test/support/cleanup.ts';

/** Hands TCP connections on and notes when they come. */
export interface ConnectionClock {
  /** URL to use instead of the server's own. */
  endpoint: string;
  /** `performance.now()` of the first connection since `reset`. */
  first(): number | undefined;
  reset(): void;
}

/** Stands in front of a server. Works for TLS too, whose certificate must hold for 127.0.0.1. */
export async function startConnectionClock(endpoint: string): Promise<ConnectionClock> {
  const { protocol, hostname, port } = new URL(endpoint);
  let first: number | undefined;
  const server = createServer((client) => {
    first ??= performance.now();
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.close();
    server.unref();
  });
  return {
    endpoint: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    first: () => first,
    reset: () => {
      first = undefined;
    },
  };
}
