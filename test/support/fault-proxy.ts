import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { atEnd } from './cleanup.ts';
import { freePort } from './ports.ts';

/** What happens to a request instead of being passed on. Bytes are counted in the body. */
export type Fault =
  /** Answered here; the store sees nothing of it. */
  | { kind: 'respond'; status: number; body?: string; contentType?: string }
  /** The client's connection is reset after so many bytes of the request; the store sees nothing of it. */
  | { kind: 'reset-request'; afterBytes?: number }
  /** The store does it, and its answer is lost: the connection is reset instead. */
  | { kind: 'lose-answer' }
  /** The connection is reset after so many bytes of the answer. */
  | { kind: 'reset-answer'; afterBytes: number }
  /** The connection is closed in good order after so many bytes of the answer, short of its content-length. */
  | { kind: 'truncate'; afterBytes: number }
  /** The answer ends after so many bytes, and its headers agree with that. */
  | { kind: 'shorten'; afterBytes: number }
  /** Nothing more comes after so many bytes of the answer (0: no headers either); the connection stays open. */
  | { kind: 'stall'; afterBytes?: number }
  /** The answer comes this much later. */
  | { kind: 'delay'; ms: number }
  /** The answer comes once this is resolved. */
  | { kind: 'hold'; until: Promise<unknown> }
  /** One bit of the answer is turned over. */
  | { kind: 'flip-answer'; offset: number }
  /** One bit of the request is turned over on its way to the store. */
  | { kind: 'flip-request'; offset: number }
  | { kind: 'pass' };

export interface FaultRule {
  method?: string;
  /** Matched against path and query, still percent-encoded. */
  path?: RegExp;
  /** Only the nth request that matches, from 1. Default: all of them. */
  nth?: number;
  /** Only the first so many requests that match. */
  times?: number;
  fault: Fault;
}

export interface SeenRequest {
  method: string;
  /** Path and query, percent-encoded. */
  path: string;
  headers: IncomingMessage['headers'];
  /** The fault it met. */
  fault: Fault['kind'];
  /** Status it was answered with, once it was. */
  status?: number;
}

export interface FaultProxy {
  /** `http://127.0.0.1:port`: give this to pgarc as the store's endpoint. */
  readonly endpoint: string;
  /** Every request in the order it came. */
  readonly requests: SeenRequest[];
  /** Adds a rule; the first one that matches a request counts. @returns how to remove it again */
  add(rule: FaultRule): () => void;
  /** Forgets all rules and requests. */
  reset(): void;
  /** Stops listening and cuts all connections, as a store that is down. */
  close(): Promise<void>;
  /** Listens again on the same port. */
  open(): Promise<void>;
}

interface CountedRule extends FaultRule {
  matched: number;
}

/**
 * Starts an HTTP proxy in front of a store. The Host header stays the client's, so that the store can
 * verify S3 signatures (path style).
 */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const upstream = new URL(target);
  if (upstream.protocol !== 'http:') throw new Error('the fault proxy speaks plain HTTP');
  let rules: CountedRule[] = [];
  const requests: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const port = await freePort();
  let server: Server | undefined;

  function handle(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const fault = pickFault(rules, incoming);
    const seen: SeenRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      fault: fault.kind,
    };
    requests.push(seen);
    outgoing.once('finish', () => {
      seen.status = outgoing.statusCode;
    });
    incoming.on('error', () => undefined);
    outgoing.on('error', () => undefined);
    if (fault.kind === 'respond') respond(incoming, outgoing, fault);
    else if (fault.kind === 'reset-request') resetRequest(incoming, fault.afterBytes ?? 0);
    else forward(upstream, incoming, outgoing, fault);
  }

  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    add(rule) {
      const counted = { ...rule, matched: 0 };
      rules.push(counted);
      return () => {
        rules = rules.filter((other) => other !== counted);
      };
    },
    reset() {
      rules = [];
      requests.length = 0;
    },
    async open() {
      const opened = createServer({ keepAliveTimeout: 30_000 }, handle);
      opened.on('connection', (socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.on('error', () => undefined);
      });
      await new Promise<void>((resolve, reject) => {
        opened.once('error', reject);
        opened.listen(port, '127.0.0.1', resolve);
      });
      server = opened;
    },
    async close() {
      const closing = server;
      server = undefined;
      if (closing === undefined) return;
      const closed = new Promise((resolve) => closing.close(resolve));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
  };
  await proxy.open();
  atEnd(() => proxy.close());
  return proxy;
}

function pickFault(rules: CountedRule[], incoming: IncomingMessage): Fault {
  for (const rule of rules) {
    if (rule.method !== undefined && rule.method !== incoming.method) continue;
    if (rule.path !== undefined && !rule.path.test(incoming.url ?? '')) continue;
    rule.matched += 1;
    if (rule.nth !== undefined && rule.matched !== rule.nth) continue;
    if (rule.times !== undefined && rule.matched > rule.times) continue;
    return rule.fault;
  }
  return { kind: 'pass' };
}

function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Extract<Fault, { kind: 'respond' }>,
): void {
  incoming.resume();
  incoming.once('end', () => {
    const body = incoming.method === 'HEAD' ? '' : (fault.body ?? '');
    const headers = { 'content-type': fault.contentType ?? 'application/xml' };
    outgoing.writeHead(fault.status, headers).end(body);
  });
}

function resetRequest(incoming: IncomingMessage, afterBytes: number): void {
  if (afterBytes === 0) return void incoming.socket.resetAndDestroy();
  let seen = 0;
  incoming.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen >= afterBytes) incoming.socket.resetAndDestroy();
  });
}

function forward(upstream: URL, incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault): void {
  const onward = request({
    host: upstream.hostname,
    port: upstream.port,
    method: incoming.method!,
    path: incoming.url!,
    headers: onwardHeaders(incoming.rawHeaders),
    agent: false,
  });
  onward.once('error', () => incoming.socket.resetAndDestroy());
  // A client that hangs up before its answer must not leave a request open at the store.
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) onward.destroy();
  });
  onward.once('response', (answer) => {
    if (fault.kind === 'lose-answer') {
      answer.resume();
      answer.once('end', () => incoming.socket.resetAndDestroy());
    } else if (fault.kind === 'delay') {
      setTimeout(() => passAnswer(answer, outgoing, fault), fault.ms);
    } else if (fault.kind === 'hold') {
      void fault.until.then(() => passAnswer(answer, outgoing, fault));
    } else {
      passAnswer(answer, outgoing, fault);
    }
  });
  const flipAt = fault.kind === 'flip-request' ? fault.offset : -1;
  pump(
    incoming,
    (chunk) => onward.write(chunk),
    () => onward.end(),
    onward,
    flipAt,
  );
}

function passAnswer(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault): void {
  const limit = answerLimit(fault);
  if (fault.kind === 'stall' && limit === 0) return;
  const headers = [...answer.rawHeaders];
  if (fault.kind === 'shorten') setHeader(headers, 'content-length', String(limit));
  answer.once('error', () => outgoing.socket?.resetAndDestroy());
  outgoing.writeHead(answer.statusCode ?? 502, headers);
  if (answer.headers['content-length'] === '0' || outgoing.req.method === 'HEAD') outgoing.flushHeaders();
  let passed = 0;
  const flipAt = fault.kind === 'flip-answer' ? fault.offset : -1;
  const write = (chunk: Buffer): boolean => {
    if (passed >= limit) return true;
    const part = chunk.subarray(0, limit - passed);
    passed += part.length;
    const more = outgoing.write(part);
    if (passed >= limit) cut(answer, outgoing, fault);
    return more;
  };
  if (limit === 0) cut(answer, outgoing, fault);
  pump(
    answer,
    write,
    () => {
      if (limit === Number.POSITIVE_INFINITY || passed < limit) outgoing.end();
    },
    outgoing,
    flipAt,
  );
}

function answerLimit(fault: Fault): number {
  if (fault.kind === 'reset-answer' || fault.kind === 'truncate' || fault.kind === 'shorten') {
    return fault.afterBytes;
  }
  return fault.kind === 'stall' ? (fault.afterBytes ?? 0) : Number.POSITIVE_INFINITY;
}

/** Ends an answer before its time, the way the fault says. */
function cut(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault): void {
  answer.unpipe();
  answer.resume();
  const socket = outgoing.socket;
  if (fault.kind === 'shorten') outgoing.end();
  else if (fault.kind === 'truncate') outgoing.write('', () => socket?.end());
  else if (fault.kind === 'reset-answer') outgoing.write('', () => socket?.resetAndDestroy());
}

/** Copies a body chunk by chunk with back pressure, and turns one bit over on the way where asked. */
function pump(
  from: IncomingMessage,
  write: (chunk: Buffer) => boolean,
  end: () => void,
  to: NodeJS.EventEmitter,
  flipAt: number,
): void {
  let offset = 0;
  from.on('data', (chunk: Buffer) => {
    const at = flipAt - offset;
    offset += chunk.length;
    if (at >= 0 && at < chunk.length) chunk[at]! ^= 1;
    if (!write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.once('end', end);
}

/** `expect` was answered here already; everything else goes on as it came. */
function onwardHeaders(raw: readonly string[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() !== 'expect') headers.push(raw[i]!, raw[i + 1]!);
  }
  return headers;
}

function setHeader(raw: string[], name: string, value: string): void {
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]!.toLowerCase() === name) raw[i + 1] = value;
}
