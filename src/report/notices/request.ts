import type { IncomingMessage } from 'node:http';
import { messageOf, PgarcError } from '../../errors.ts';

/** A request to somebody who wants to know. The address is a secret: only its host is ever named. */
export interface NoticeRequest {
  url: URL;
  /** Sent as JSON by POST; without it the address is asked by GET. */
  document?: unknown;
}

/** Statuses below 500 after which the same request may well succeed. */
const PASSING = [408, 425, 429];

/**
 * Sends one request and waits for the status of the answer. Follows no redirection, and uses no proxy whatever
 * the environment says.
 * @param deadline ms for all of it
 * @throws PgarcError `failed`, retryable where it may succeed later, with only the host in its words
 */
export async function sendRequest(
  { url, document }: NoticeRequest,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const body = document === undefined ? undefined : JSON.stringify(document);
  const limit = AbortSignal.timeout(deadline);
  const status = await new Promise<number>((resolve, reject) => {
    const outgoing = request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'user-agent': 'pgarc',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      // An agent of its own: the process-wide one may have a proxy, and would keep the connection.
      agent: false,
      signal: AbortSignal.any([signal, limit]),
    });
    outgoing.once('response', (answer: IncomingMessage) => {
      resolve(answer.statusCode ?? 0);
      // What it says beside its status is nobody's business here.
      answer.destroy();
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw describe(url, limit.aborted ? `no answer within ${deadline / 1000} s` : reasonOf(cause), true);
  });
  if (status >= 200 && status < 300) return;
  throw describe(url, `it answered ${status}`, status >= 500 || PASSING.includes(status));
}

function describe(url: URL, reason: string, retryable: boolean): PgarcError {
  return new PgarcError('failed', `${url.host}: ${reason}`, { retryable });
}

/** The system's code where there is one: Node's messages may hold more of the address than its host. */
function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : messageOf(error);
}
