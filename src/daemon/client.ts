import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';
import {
  DONE,
  FOLDER_HEADER,
  NOT_SERVED,
  nameStore,
  PENDING,
  parseFailure,
  SILENCE_LIMIT,
  STORE_HEADER,
  WAIT,
  WAIT_HEADER,
} from './protocol.ts';
import { daemonSpool } from './spool.ts';
import { nameFolder } from './wal-folder.ts';

export interface Question {
  /** Path and query, such as `/wal-push`. */
  path: string;
  /** An absolute path. */
  body: string;
  /** Of that path, as nameFolder() has it; for WAL files. */
  folder?: string;
  /** What is asked has nothing to do with the store: a daemon of another answers too. */
  anyStore?: boolean;
}

/** Bytes: a few lines, or a document. */
const LONGEST_ANSWER = 1024 * 1024;

/**
 * Asks the daemon of the spool to do something.
 * @returns false when there is none, it serves another store or cluster, it hangs, or it went away before it
 *   answered: then the caller does the work itself
 * @throws PgarcError what the daemon's attempt failed with
 */
export async function askDaemon(
  settings: Settings,
  question: Question,
  signal: AbortSignal,
): Promise<boolean> {
  return (await ask(settings, question, signal)) !== undefined;
}

/**
 * Asks the daemon of the spool about a WAL file. It answers only when the file's folder is its cluster's pg_wal: a
 * daemon in another container may know another cluster by the same path.
 * @param file absolute
 * @returns as askDaemon
 */
export async function askAboutFile(
  settings: Settings,
  path: string,
  file: string,
  signal: AbortSignal,
): Promise<boolean> {
  const folder = await nameFolder(dirname(file));
  return folder !== undefined && askDaemon(settings, { path, body: file, folder }, signal);
}

/**
 * Reads a document from the daemon of the spool, such as `/status`.
 * @returns undefined when there is none, or it does not know the path
 */
export async function readFromDaemon(
  settings: Settings,
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  const body = await ask(settings, { path, body: '', anyStore: true }, signal);
  try {
    return body === undefined ? undefined : JSON.parse(body);
  } catch {
    // Not a daemon of this version.
    return undefined;
  }
}

/** @returns the body of an answer that says done */
async function ask(settings: Settings, question: Question, signal: AbortSignal): Promise<string | undefined> {
  const { socket } = daemonSpool(settings.spool);
  const request = formatRequest(settings, question);
  let answer = parseAnswer(await exchange(socket, request, signal));
  while (answer?.status === PENDING) answer = parseAnswer(await exchange(socket, request, signal));
  if (answer === undefined) return undefined;
  const { status, body } = answer;
  if (status === DONE) return body;
  // Above 500: its attempt failed. Anything else is not an answer to this question.
  if (status === NOT_SERVED || status <= 500) return undefined;
  throw parseFailure(body);
}

/** @returns undefined for what is no answer, or not all of it */
function parseAnswer(answer: string | undefined): { status: number; body: string } | undefined {
  const [head = '', body = ''] = answer?.split('\r\n\r\n', 2) ?? [];
  const match = /^HTTP\/1\.1 (\d{3}) .*?^content-length: (\d+)$/ims.exec(head);
  if (match === null || Buffer.byteLength(body) !== Number(match[2])) return undefined;
  return { status: Number(match[1]), body };
}

function formatRequest(settings: Settings, { path, body, folder, anyStore = false }: Question): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'host: daemon',
    'accept: application/json',
    'connection: close',
    `${WAIT_HEADER}: wait=${WAIT}`,
    ...(anyStore ? [] : [`${STORE_HEADER}: ${nameStore(settings)}`]),
    ...(folder === undefined ? [] : [`${FOLDER_HEADER}: ${folder}`]),
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** By hand: loading node:http takes longer than all the rest. @returns undefined when nobody answers in time */
function exchange(socketPath: string, request: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(socketPath);
    socket.setTimeout(SILENCE_LIMIT, () => socket.destroy());
    const chunks: Buffer[] = [];
    let size = 0;
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason instanceof Error ? signal.reason : new PgarcError('interrupted', 'interrupted'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > LONGEST_ANSWER) socket.destroy();
      else chunks.push(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(size === 0 ? undefined : Buffer.concat(chunks).toString('utf8'));
    });
  });
}
