import type { Settings } from '../config/settings.ts';
import { ERROR_CODES, type ErrorCode, isPgarcError, messageOf, PgarcError } from '../errors.ts';

/**
 * What daemon and clients say to each other: HTTP/1.1 over a Unix socket (docs/daemon.md).
 *
 *     POST /wal-push                  body: absolute path of the file
 *     POST /wal-fetch?name=NAME&as=WORD  body: absolute path of the destination
 *
 * 200 done · 202 still at it: ask again · 409 this daemon does not serve that (the client does the work itself) · 5NN failed with pgarc's
 * exit code NN.
 */
export const DONE = 200;
export const PENDING = 202;
export const NOT_SERVED = 409;
const FAILED = 500;

/** Request header: which store the client would use. Another than the daemon's is not served. */
export const STORE_HEADER = 'pgarc-store';
/** Request header: pid of the daemon that is meant. */
export const DAEMON_HEADER = 'pgarc-daemon';
/** Request header: which folder the file is in, as nameFolder() has it. Another than the cluster's is not served. */
export const FOLDER_HEADER = 'pgarc-folder';
/** Request header (RFC 7240), `wait=SECONDS`: what takes longer is answered with 202 and goes on. */
export const WAIT_HEADER = 'prefer';
/** What clients ask for with it, s: so they learn whether the daemon is alive. */
export const WAIT = 5;
/** A daemon that has not answered for so long hangs, ms; then the client does the work itself. */
export const SILENCE_LIMIT = 15_000;

/** A failure on its way to a client. */
export interface Failure {
  code: ErrorCode;
  exitCode: number;
  message: string;
  hint?: string;
}

/** Which store settings mean, as the header has it. Without credentials. */
export function nameStore(settings: Pick<Settings, 'store' | 's3Endpoint' | 's3Region'>): string {
  const { store = '', s3Endpoint, s3Region } = settings;
  return encodeURI(store.startsWith('s3:') ? `${store} ${s3Endpoint ?? ''} ${s3Region}` : store);
}

/** What a client is told of an error; one that is not pgarc's own is `failed` to it. */
export function toFailure(error: unknown): Failure {
  if (!isPgarcError(error)) return { code: 'failed', exitCode: 1, message: messageOf(error) };
  const { code, exitCode, message, hint } = error;
  return { code, exitCode, message, ...(hint === undefined ? {} : { hint }) };
}

/** Status of the HTTP answer that tells of a failure. */
export function statusOf(failure: Failure): number {
  return FAILED + failure.exitCode;
}

/** What a client without JSON shows its user as it is: the lines pgarc itself would print. */
export function failureText({ message, hint }: Failure): string {
  const lines = hint === undefined ? [`pgarc: ${message}`] : [`pgarc: ${message}`, `hint: ${hint}`];
  return `${lines.join('\n')}\n`;
}

/** The error a daemon's answer stands for. */
export function parseFailure(body: string): PgarcError {
  try {
    const { code, message, hint } = JSON.parse(body) as Partial<Failure>;
    if (typeof message === 'string' && ERROR_CODES.includes(code as ErrorCode)) {
      return new PgarcError(code as ErrorCode, message, typeof hint === 'string' ? { hint } : {});
    }
  } catch {
    // Not a daemon of this version.
  }
  return new PgarcError('failed', `the daemon gave an answer that makes no sense: ${body.slice(0, 200)}`);
}
