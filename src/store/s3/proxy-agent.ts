import type { ClientRequest } from 'node:http';
import type { AgentOptions, Agent as HttpsAgentType, RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../errors.ts';
import { S3Refusal } from './answer.ts';
import { HttpsAgent, httpRequest, httpsRequest } from './node-http.ts';
import { findProxy, type HttpProxy, type Proxies } from './proxy.ts';

/** A proxy that connects no sooner than this does not, ms. */
const TUNNEL_MS = 15_000;

type OnCreated = (error: Error | null, socket: Duplex) => void;

/**
 * An HTTPS agent whose connections go through a proxy where the environment wants it (CONNECT; RFC 9110, 9.3.6).
 * Node's own (`proxyEnv`) never closes the connection to a proxy that refuses, and takes a network in NO_PROXY for a
 * name.
 */
export class ProxyAgent extends HttpsAgent {
  readonly #proxies: Proxies;
  readonly #direct: HttpsAgentType | undefined;
  readonly #pending = new Set<ClientRequest>();

  /** @param direct makes the connections that need no proxy; default as Node does */
  constructor(options: AgentOptions, proxies: Proxies, direct?: HttpsAgentType) {
    super(options);
    this.#proxies = proxies;
    this.#direct = direct;
  }

  override createConnection(options: RequestOptions, onCreated?: OnCreated): Duplex | null | undefined {
    const host = options.host ?? 'localhost';
    const port = Number(options.port ?? 443);
    const proxy = findProxy(this.#proxies, 'https:', host, port);
    if (proxy === undefined) {
      return this.#direct === undefined
        ? super.createConnection(options)
        : this.#direct.createConnection(options);
    }
    const fail = onCreated as (error: Error) => void;
    this.#connect(proxy, host, port)
      .then((socket) => super.createConnection(Object.assign({}, options, { socket }))!)
      .then((socket) => onCreated!(null, socket), fail);
    return undefined;
  }

  override destroy(): void {
    for (const request of this.#pending) request.destroy();
    super.destroy();
  }

  /** Asks a proxy for a connection. @throws S3Refusal of the proxy, or Node's error with the proxy's name */
  #connect(proxy: HttpProxy, host: string, port: number): Promise<Duplex> {
    const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const request = (proxy.isTls ? httpsRequest : httpRequest)({
      method: 'CONNECT',
      host: proxy.host,
      port: proxy.port,
      path: target,
      headers: { host: target, ...authorizationFor(proxy) },
      agent: false,
      timeout: TUNNEL_MS,
    });
    this.#pending.add(request);
    request.once('connect', ({ statusCode = 0 }, socket) => {
      socket.setTimeout(0);
      if (statusCode >= 200 && statusCode < 300) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(refusedBy(proxy, statusCode, target));
    });
    request.once('timeout', () => {
      const error = new Error(`no connection to ${target} in ${TUNNEL_MS} ms`);
      request.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    });
    request.on('error', (error) => reject(failedAt(proxy, error)));
    request.once('close', () => this.#pending.delete(request));
    request.end();
    return promise;
  }
}

/** The header for a proxy that wants to know who asks. */
export function authorizationFor({ authorization }: HttpProxy): Record<string, string> {
  return authorization === undefined ? {} : { 'proxy-authorization': authorization };
}

function refusedBy(proxy: HttpProxy, status: number, target: string): S3Refusal {
  const words = `the proxy ${proxy.name} of ${proxy.variable} does not connect to ${target}`;
  return new S3Refusal(status, undefined, words, undefined, false);
}

/** Says of a connection's error that it was the proxy's. */
export function failedAt(proxy: HttpProxy, error: Error & { code?: string }): Error {
  const words = `${messageOf(error) || error.code} (proxy ${proxy.name} of ${proxy.variable})`;
  return Object.assign(new Error(words, { cause: error }), { code: error.code });
}
