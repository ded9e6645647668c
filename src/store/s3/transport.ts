import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { checkAnswer, expectedAnswer, isObject } from './answer.ts';
import { GatheredAgent } from './gathered-agent.ts';
import { StalledError, startIdleTimer } from './idle-timer.ts';
import { HttpAgent, httpRequest, httpsRequest } from './node-http.ts';
import { findProxy, type Proxies } from './proxy.ts';
import { authorizationFor, failedAt, ProxyAgent } from './proxy-agent.ts';

/** Bytes written before the deadline starts anew; small enough for a line of 64 kbit/s. */
const SLICE_BYTES = 128 * 1024;

/** Largest answer that is read into memory, bytes: a page of a listing is under 2 MiB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Idle connections are closed before stores close them (MinIO: 30 s), else a request may meet the end, ms. */
const IDLE_CONNECTION_MS = 15_000;

/** What the SDK hands over: a signed request. */
export interface SignedRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

export interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  /** A stream for objects that are read, else all of it. */
  body: IncomingMessage | Uint8Array;
}

export interface TransportOptions {
  /** Certificates (PEM) that are trusted instead of the system's. */
  ca?: Buffer;
  /** Of the environment. */
  proxies?: Proxies | undefined;
  /** How long a request may stand still unless the request says otherwise, ms. */
  requestTimeout: number;
  /** Told of every request once it has ended. */
  onRequest?(request: RequestReport): void;
}

/** What a request came to. */
export interface RequestReport {
  method: string;
  /** Undefined when there was no answer. */
  status: number | undefined;
  /** Of the bodies; nothing of an answer that broke off or was a refusal. */
  sentBytes: number;
  receivedBytes: number;
}

interface HandleOptions {
  abortSignal?: unknown;
  requestTimeout?: number;
}

/**
 * The SDK's way to the network. Replaces the SDK's own for three reasons: the deadline is one of standing
 * still, in either direction, instead of a total that large bodies exceed; an answer that is not S3's (a
 * proxy's page) is refused here, whatever its status; and large bodies are written in slices, which keeps
 * TLS from holding a second copy of each part.
 */
export class Transport {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #http: Agent;
  readonly #https: HttpsAgent;
  readonly #proxies: Proxies | undefined;
  readonly #requestTimeout: number;
  readonly #onRequest: TransportOptions['onRequest'];

  constructor(options: TransportOptions) {
    const agent = { keepAlive: true, noDelay: true, timeout: IDLE_CONNECTION_MS };
    this.#http = new HttpAgent(agent);
    // One context for all connections: the certificates are parsed once.
    const trust = options.ca === undefined ? {} : { secureContext: createSecureContext({ ca: options.ca }) };
    const direct = new GatheredAgent({ ...agent, ...trust });
    const { proxies } = options;
    this.#https = proxies === undefined ? direct : new ProxyAgent({ ...agent, ...trust }, proxies, direct);
    this.#proxies = proxies;
    this.#requestTimeout = options.requestTimeout;
    this.#onRequest = options.onRequest;
  }

  async handle(request: SignedRequest, options: HandleOptions = {}): Promise<{ response: Answer }> {
    const signal = options.abortSignal as AbortSignal | undefined;
    const idleMs = options.requestTimeout ?? this.#requestTimeout;
    const seen: { status?: number } = {};
    try {
      const response = await this.#exchange(request, idleMs, signal, seen);
      this.#report(request, seen.status, response.body);
      return { response };
    } catch (error) {
      this.#report(request, seen.status, undefined);
      throw error;
    }
  }

  #report(
    { method, body: sent }: SignedRequest,
    status: number | undefined,
    received: Answer['body'] | undefined,
  ): void {
    const sentBytes = sent instanceof Uint8Array ? sent.length : String(sent ?? '').length;
    const tell = (receivedBytes: number) => this.#onRequest?.({ method, status, sentBytes, receivedBytes });
    if (received === undefined || received instanceof Uint8Array) {
      tell(received?.length ?? 0);
      return;
    }
    received.once('close', () => {
      tell(received.complete ? Number(received.headers['content-length'] ?? 0) : 0);
    });
  }

  /** Part of the SDK's interface; nothing can be changed. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  destroy(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #exchange(
    request: SignedRequest,
    idleMs: number,
    signal: AbortSignal | undefined,
    seen: { status?: number },
  ): Promise<Answer> {
    const expected = expectedAnswer(request.method, request.query);
    const isTls = request.protocol === 'https:';
    const host = request.hostname.replace(/^\[|\]$/g, '');
    const port = request.port ?? (isTls ? 443 : 80);
    const path = request.path + formatQuery(request.query);
    // A proxy hands plain HTTP on by itself; for TLS the agent asks it for a connection.
    const proxy = isTls ? undefined : findProxy(this.#proxies, 'http:', host, port);
    const target =
      proxy === undefined
        ? { host, port, path, headers: request.headers }
        : {
            host: proxy.host,
            port: proxy.port,
            path: `http://${request.hostname}:${port}${path}`,
            headers: { ...request.headers, ...authorizationFor(proxy) },
          };
    const send = isTls || proxy?.isTls ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const outgoing = send({
        method: request.method,
        ...target,
        agent: isTls ? this.#https : proxy?.isTls ? undefined : this.#http,
      });
      let doing = `connecting to ${request.hostname}`;
      let isAnswered = false;
      const idle = startIdleTimer(idleMs, () => stop(new StalledError(idleMs, doing)));
      const onAbort = () => stop(signal!.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = () => {
        idle.stop();
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown) => {
        settle();
        reject(error);
      };
      const stop = (error: unknown) => {
        outgoing.destroy(error as Error);
        // One that waits for its connection says nothing before it has it.
        if (!isAnswered) fail(error);
      };
      const onMove = () => {
        doing = 'the request was sent';
        idle.touch();
      };
      outgoing.once('socket', (socket) => {
        if (!socket.connecting) onMove();
        else socket.once(send === httpsRequest ? 'secureConnect' : 'connect', onMove);
      });
      outgoing.on('error', (error) => {
        if (!isAnswered) fail(proxy === undefined ? error : failedAt(proxy, error));
      });
      outgoing.once('response', (incoming) => {
        isAnswered = true;
        doing = 'the answer was awaited';
        idle.touch();
        const { statusCode = 0 } = incoming;
        seen.status = statusCode;
        const headers = flattenHeaders(incoming);
        if (expected === 'object' && isObject(statusCode, headers)) {
          settle();
          // The reader meets a broken connection when it asks for more; nobody else may.
          incoming.on('error', () => undefined);
          resolve({ statusCode, headers, body: incoming });
          return;
        }
        collect(incoming, idle.touch).then((body) => {
          settle();
          // A store that answers before it has read the body leaves a connection of no more use.
          if (!outgoing.writableFinished) outgoing.destroy();
          try {
            checkAnswer(expected, statusCode, headers, body);
            resolve({ statusCode, headers, body });
          } catch (error) {
            reject(error);
          }
        }, fail);
      });
      writeBody(outgoing, request.body, onMove, () => isAnswered);
    });
  }
}

/** Writes a body slice by slice and tells each one that has left. Stops when the answer is there already. */
function writeBody(
  outgoing: ClientRequest,
  body: unknown,
  onMove: () => void,
  isAnswered: () => boolean,
): void {
  if (body === undefined || body === null || body === '') {
    outgoing.end();
    return;
  }
  if (!(body instanceof Uint8Array)) {
    outgoing.end(String(body));
    return;
  }
  const bytes: Uint8Array = body;
  let offset = 0;
  const writeNext = (error?: Error | null) => {
    if (error || outgoing.destroyed || isAnswered()) return;
    if (offset > 0) onMove();
    if (offset === bytes.length) {
      outgoing.end();
      return;
    }
    const slice = bytes.subarray(offset, offset + SLICE_BYTES);
    offset += slice.length;
    outgoing.write(slice, writeNext);
  };
  writeNext();
}

/** Reads an answer whole. */
function collect(incoming: IncomingMessage, onMove: () => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      onMove();
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > MAX_ANSWER_BYTES) incoming.destroy(new Error('the answer does not end'));
    });
    incoming.once('error', reject);
    incoming.once('end', () => resolve(Buffer.concat(chunks, bytes)));
  });
}

function flattenHeaders(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** The query in the very form that was signed (RFC 3986, AWS Signature Version 4). */
function formatQuery(query: SignedRequest['query'] = {}): string {
  const parts: string[] = [];
  for (const name of Object.keys(query).sort()) {
    const value = query[name];
    const values = value === null || value === undefined ? [''] : [value].flat();
    for (const one of values) parts.push(`${escapeUri(name)}=${escapeUri(one)}`);
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
