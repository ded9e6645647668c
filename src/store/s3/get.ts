import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { PgarcError } from '../../errors.ts';
import { backOff, giveUp, isWorthRetrying, pause, tellRetry } from '../retry.ts';
import type { ObjectStream } from '../store.ts';
import { isRefusal } from './answer.ts';
import { toStoreError, unfit } from './failure.ts';
import { readBody } from './read-body.ts';
import { request, type S3Session } from './session.ts';

/** An object whose bytes are on their way. */
interface OpenObject {
  size: number;
  etag: string;
  /** CRC32 of the whole object where the store has it: not for multipart uploads. */
  crc: number | undefined;
  body: IncomingMessage;
}

/** Reads an object of at most `maxBytes`. @returns undefined when the store says that there is none */
export async function getObject(
  session: S3Session,
  key: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const opened = await openObject(session, key, signal);
  if (opened === undefined) return undefined;
  if (opened.size > maxBytes) {
    opened.body.destroy();
    throw new PgarcError('object-damaged', `${key} is ${opened.size} bytes long, more than ${maxBytes}`);
  }
  const whole = Buffer.allocUnsafe(opened.size);
  let offset = 0;
  for await (const chunk of readResumed(session, key, opened, signal)) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** Opens an object for reading. @returns undefined when the store says that there is none */
export async function getObjectStream(
  session: S3Session,
  key: string,
  signal?: AbortSignal,
): Promise<ObjectStream | undefined> {
  const opened = await openObject(session, key, signal);
  if (opened === undefined) return undefined;
  // A body that nobody reads must not hold its connection for ever; one that is read late is opened again.
  const unread = setTimeout(() => opened.body.destroy(), session.requestTimeout).unref();
  return { size: opened.size, body: readResumed(session, key, opened, signal, () => clearTimeout(unread)) };
}

/**
 * Bytes of an object to its very end, in chunks that are valid until the next one is asked for. A connection that
 * breaks is resumed where it stopped, of the same version; the time for retries starts anew whenever something arrived.
 */
async function* readResumed(
  session: S3Session,
  key: string,
  opened: OpenObject,
  signal: AbortSignal | undefined,
  onBegin: () => void = () => undefined,
): AsyncGenerator<Buffer> {
  onBegin();
  const operation = `GetObject ${key}`;
  let { body } = opened;
  let offset = 0;
  let crc = 0;
  let attempts = 0;
  let begin = performance.now();
  try {
    for (;;) {
      try {
        for await (const chunk of readBody(body, session.stallTimeout, signal)) {
          offset += chunk.length;
          if (offset > opened.size)
            throw damaged(key, `is longer than the ${opened.size} bytes it began with`);
          if (opened.crc !== undefined) crc = crc32(chunk, crc);
          attempts = 0;
          yield chunk;
          begin = performance.now();
        }
        if (offset === opened.size) break;
        throw cutShort(session, operation, offset, opened.size);
      } catch (error) {
        signal?.throwIfAborted();
        const failure = toStoreError(error, operation, session);
        const elapsed = performance.now() - begin;
        const remaining = session.storeTimeout - elapsed;
        attempts += 1;
        if (!isWorthRetrying(failure) || remaining <= 0) throw giveUp(failure, attempts, elapsed);
        const delayMs = Math.min(backOff(attempts), remaining);
        tellRetry({ emit: session.emit, operation }, attempts, delayMs, failure);
        await pause(delayMs, signal);
        body = (await openRest(session, key, opened, offset, signal)).body;
      }
    }
  } finally {
    body.destroy();
  }
  if (opened.crc !== undefined && crc !== opened.crc) throw damaged(key, 'does not match its checksum');
}

async function openObject(
  session: S3Session,
  key: string,
  signal: AbortSignal | undefined,
): Promise<OpenObject | undefined> {
  try {
    return await openAt(session, key, {}, signal);
  } catch (error) {
    if (isRefusal(error, 'NoSuchKey')) return undefined;
    throw error;
  }
}

/** Opens the same version of an object again, behind what was read already. */
async function openRest(
  session: S3Session,
  key: string,
  opened: OpenObject,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<OpenObject> {
  const range = { Range: `bytes=${offset}-`, IfMatch: opened.etag };
  try {
    return await openAt(session, key, range, signal, `bytes ${offset}-${opened.size - 1}/${opened.size}`);
  } catch (error) {
    if (isRefusal(error, 'NoSuchKey', 'PreconditionFailed', 'InvalidRange')) {
      throw damaged(key, 'was replaced or removed while it was read');
    }
    throw error;
  }
}

/** @param contentRange what the answer must say of its place (RFC 9110, 14.4); undefined for a whole object */
function openAt(
  session: S3Session,
  key: string,
  range: { Range?: string; IfMatch?: string },
  signal: AbortSignal | undefined,
  contentRange?: string,
): Promise<OpenObject> {
  const operation = `GetObject ${key}`;
  return request(
    session,
    operation,
    async (options) => {
      const answer = await session.client.send(
        new GetObjectCommand({ Bucket: session.bucket, Key: session.prefix + key, ...range }),
        options,
      );
      const body = answer.Body as unknown as IncomingMessage;
      const { ContentLength: size, ETag: etag, ContentRange } = answer;
      if (size === undefined || etag === undefined || ContentRange !== contentRange) {
        body.destroy();
        throw unfit(
          session,
          operation,
          `the answer has ${size ?? 'unknown'} bytes, range ${ContentRange ?? 'none'}`,
        );
      }
      return { size, etag, crc: wholeCrc(answer), body };
    },
    { signal },
    (error) => isRefusal(error, 'NoSuchKey', 'PreconditionFailed', 'InvalidRange'),
  );
}

/**
 * The CRC32 of an object, where the store has one of the whole. That of a multipart upload is one of its parts'
 * checksums, which not every store marks by its type or with `-3`; the tag of such an object ends so everywhere.
 */
function wholeCrc(answer: GetObjectCommandOutput): number | undefined {
  const { ChecksumCRC32: base64, ChecksumType: type, ETag = '' } = answer;
  if (base64 === undefined || base64.includes('-') || type === 'COMPOSITE') return undefined;
  if (type !== 'FULL_OBJECT' && /-\d+"?$/.test(ETag)) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === 4 ? bytes.readUInt32BE() : undefined;
}

function damaged(key: string, what: string): PgarcError {
  return new PgarcError('object-damaged', `${key} ${what}`);
}

function cutShort(session: S3Session, operation: string, offset: number, size: number): PgarcError {
  const error = new Error(`the answer ended after ${offset} of ${size} bytes`);
  return toStoreError(Object.assign(error, { code: 'ECONNRESET' }), operation, session);
}
