import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { isIP } from 'node:net';
import type { Endpoint } from './endpoint.ts';
import type { TlsFiles } from './tls.ts';

// An import of node:http reads all that it exports, and with that loads fetch() and the like: 20 ms.
const http = process.getBuiltinModule('node:http');

/** Longer answers are refused, bytes: etcd's own limit of a value is 1.5 MiB. */
const MAX_ANSWER = 64 * 1024 * 1024;
const MAX_SOCKETS = 8;

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved now',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'no connection in time',
};

export interface PostOptions {
  headers: Readonly<Record<string, string>>;
  /** ms until the whole answer must be there. */
  timeout: number;
  signal: AbortSignal;
}

/** What came back: the answer, or in words why there is none. */
export type PostOutcome = ({ status: number; text: string } | { failure: string }) & {
  /** It was sent twice, so that the first time may have done the work. */
  isRepeat?: boolean;
};

/** Connections to the members of etcd, kept open between requests. */
export class HttpClient {
  readonly #plain: HttpAgent = new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #files: TlsFiles;
  #tls: HttpsAgent | undefined;

  constructor(files: TlsFiles) {
    this.#files = files;
  }

  /** Posts JSON. A connection that etcd closed while it was idle is not held against it. @throws the signal's reason */
  async post(endpoint: Endpoint, path: string, body: string, options: PostOptions): Promise<PostOutcome> {
    const first = await this.#postOnce(endpoint, path, body, options);
    if (!('wasStale' in first && first.wasStale)) return first;
    return { ...(await this.#postOnce(endpoint, path, body, options)), isRepeat: true };
  }

  /** Cuts all connections. */
  close(): void {
    this.#plain.destroy();
    this.#tls?.destroy();
  }

  #way({ isTls }: Endpoint): { request: typeof http.request; agent: HttpAgent } {
    if (!isTls) return { request: http.request, agent: this.#plain };
    const https = process.getBuiltinModule('node:https');
    this.#tls ??= new https.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...this.#files });
    return { request: https.request, agent: this.#tls };
  }

  #postOnce(
    endpoint: Endpoint,
    path: string,
    body: string,
    { headers, timeout, signal }: PostOptions,
  ): Promise<PostOutcome & { wasStale?: boolean }> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const { request, agent } = this.#way(endpoint);
      const outgoing = request({
        agent,
        host: endpoint.host,
        port: endpoint.port,
        path,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...headers,
        },
        ...(endpoint.isTls && isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {}),
      });
      const settle = (outcome: PostOutcome & { wasStale?: boolean }) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(outcome);
      };
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal.reason);
        outgoing.destroy();
      };
      const timer = setTimeout(() => {
        settle({ failure: `no answer within ${Math.round(timeout / 100) / 10} s` });
        outgoing.destroy();
      }, timeout);
      signal.addEventListener('abort', onAbort, { once: true });
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        const wasStale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        settle({ failure: WORDS[error.code ?? ''] ?? (error.message || String(error.code)), wasStale });
      });
      outgoing.once('response', (answer) => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size <= MAX_ANSWER) return;
          settle({ failure: 'the answer is too long' });
          outgoing.destroy();
        });
        answer.once('error', () => settle({ failure: 'connection reset' }));
        answer.once('end', () =>
          settle({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      outgoing.end(body);
    });
  }
}
