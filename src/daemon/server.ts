import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { messageOf, PgarcError } from '../errors.ts';
import { LateFailures } from './late-failures.ts';
import {
  DAEMON_HEADER,
  DONE,
  FOLDER_HEADER,
  failureText,
  NOT_SERVED,
  PENDING,
  STORE_HEADER,
  statusOf,
  toFailure,
  WAIT_HEADER,
} from './protocol.ts';

/** A request of a client. */
export interface DaemonRequest {
  readonly query: URLSearchParams;
  /** A path, as the client sees it. */
  readonly body: string;
  /** The folder of that path, as nameFolder() has it where the client is; undefined when it has not said. */
  readonly folder: string | undefined;
}

/**
 * Does what a client asks. `not-served`: the client shall do it itself. A client that goes away cancels
 * nothing. Errors are thrown and reach the client with code, message and hint.
 */
export type Route = (request: DaemonRequest) => Promise<'done' | 'not-served' | DaemonDocument>;

/** An answer with content. */
export interface DaemonDocument {
  json: unknown;
}

export interface ServerOptions {
  socket: string;
  /** By path: `/wal-push`. */
  routes: ReadonlyMap<string, Route>;
  /** As nameStore() gives it. */
  store: string;
}

export interface DaemonServer {
  /** Takes no more connections; resolves when the last answer is out. */
  close(): Promise<void>;
  /** Cuts the connections that are left. */
  cut(): void;
}

/** Longest body, bytes: one path. */
const LONGEST_BODY = 8192;

/** Listens on a Unix socket that only this user may use. The caller holds the spool's lock. */
export async function startServer(options: ServerOptions): Promise<DaemonServer> {
  // Nobody can ask again from then on.
  const stopping = new AbortController();
  const late = new LateFailures();
  const server = createServer({ requestTimeout: 30_000, keepAlive: false }, (request, response) => {
    response.on('error', () => undefined);
    void answer(options, request, response, { late, stopping: stopping.signal });
  });
  // What a killed daemon left; a living one would hold the lock.
  await rm(options.socket, { force: true });
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.socket, resolve);
    });
  } catch (cause) {
    throw new PgarcError('failed', `cannot listen on ${options.socket}: ${messageOf(cause)}`, { cause });
  } finally {
    process.umask(umask);
  }
  await chmod(options.socket, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        stopping.abort();
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    cut: () => server.closeAllConnections(),
  };
}

async function answer(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  { late, stopping }: { late: LateFailures; stopping: AbortSignal },
): Promise<void> {
  const json = request.headers.accept === 'application/json';
  const respond = (status: number, body: string) =>
    response
      .writeHead(status, {
        connection: 'close',
        'content-type': json ? 'application/json' : 'text/plain; charset=utf-8',
        'content-length': Buffer.byteLength(body),
      })
      .end(body);
  try {
    const url = new URL(request.url ?? '/', 'http://daemon');
    const route = options.routes.get(url.pathname);
    if (route === undefined) return void respond(404, `pgarc: the daemon has no ${url.pathname}\n`);
    if (request.method !== 'POST') return void respond(405, 'pgarc: the daemon takes POST\n');
    const body = await readBody(request);
    if (body === undefined) return void respond(413, 'pgarc: the path is too long\n');
    if (!isMeant(options, request)) return void respond(NOT_SERVED, '');
    const question = `${url.pathname}${url.search} ${body}`;
    late.throwIfFailed(question);
    const folder = request.headers[FOLDER_HEADER]?.toString();
    const work = route({ query: url.searchParams, body, folder });
    const served = await Promise.race([work, waitedLong(request, response, stopping)]).catch((error) => {
      late.noteAnswered(question);
      throw error;
    });
    if (served === undefined) {
      // It goes on, and is joined by who asks again.
      late.follow(question, work);
      return void respond(PENDING, '');
    }
    if (typeof served === 'object') respond(DONE, `${JSON.stringify(served.json)}\n`);
    else respond(served === 'done' ? DONE : NOT_SERVED, '');
  } catch (error) {
    const failure = toFailure(error);
    respond(statusOf(failure), json ? `${JSON.stringify(failure)}\n` : failureText(failure));
  }
}

/** Resolves when the client has waited as long as it wanted to, unless the server closes before that. */
function waitedLong(
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<undefined> {
  const seconds = /^wait=(\d{1,4})$/.exec(String(request.headers[WAIT_HEADER] ?? ''))?.[1];
  return new Promise((resolve) => {
    if (seconds === undefined) return;
    const timer = setTimeout(() => {
      if (!stopping.aborted) resolve(undefined);
    }, Number(seconds) * 1000);
    response.once('close', () => clearTimeout(timer));
  });
}

function isMeant({ store }: ServerOptions, { headers }: IncomingMessage): boolean {
  const wantedStore = headers[STORE_HEADER];
  const wantedDaemon = headers[DAEMON_HEADER];
  return (
    (wantedStore === undefined || wantedStore === store) &&
    (wantedDaemon === undefined || wantedDaemon === String(process.pid))
  );
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
