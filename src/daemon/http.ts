import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import { type Check, renderChecks } from './readiness.ts';

export interface HttpOptions {
  /** `host:port` or `[ipv6]:port`; port 0 lets the system choose. */
  listen: string;
  checks(): readonly Check[];
  metrics: Pick<Metrics, 'contentType' | 'render'>;
}

export interface HttpServer {
  /** `http://host:port`. */
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  type: string;
  body: string;
}

const TEXT = 'text/plain; charset=utf-8';

/**
 * Answers `/livez` (this process turns its wheel, whatever else fails), `/readyz` (it can do its work; with
 * `?verbose` a line a condition) and `/metrics`. @throws the system's error when it cannot listen there
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    response.on('error', () => undefined);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const answering = isRead
      ? answer(options, request.url ?? '/')
      : Promise.resolve({ status: 405, type: TEXT, body: 'only GET and HEAD\n' });
    answering
      .catch((error) => ({ status: 500, type: TEXT, body: `${error}\n` }))
      .then(({ status, type, body }) => {
        response.writeHead(status, {
          'content-type': type,
          'content-length': Buffer.byteLength(body),
          'cache-control': 'no-store',
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
  });
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(options.listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), host, resolve);
  });
  server.on('error', () => undefined);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer({ checks, metrics }: HttpOptions, target: string): Promise<Answer> {
  const url = new URL(target, 'http://daemon');
  switch (url.pathname) {
    case '/livez':
      return { status: 200, type: TEXT, body: 'ok\n' };
    case '/readyz': {
      const all = checks();
      const isReady = all.every(({ ok }) => ok);
      const details = url.searchParams.has('verbose') ? renderChecks(all) : '';
      return {
        status: isReady ? 200 : 503,
        type: TEXT,
        body: `${details}${isReady ? 'ready' : 'not ready'}\n`,
      };
    }
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.render() };
    default:
      return { status: 404, type: TEXT, body: 'there are /livez, /readyz and /metrics\n' };
  }
}
