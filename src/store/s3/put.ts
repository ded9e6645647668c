import { crc32 } from 'node:zlib';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { PutOutcome } from '../store.ts';
import { isRefusal } from './answer.ts';
import { hasObject } from './list.ts';
import { type RequestContext, request, type S3Session } from './session.ts';

/** Stores an object in one request; an older one is replaced. */
export async function putObject(
  session: S3Session,
  key: string,
  body: Uint8Array,
  context: RequestContext,
): Promise<void> {
  const checksum = crc32Base64(body);
  await request(
    session,
    `PutObject ${key}`,
    (options) => session.client.send(putCommand(session, key, body, checksum), options),
    context,
  );
}

/** Stores an object in one request, only when there is none. */
export async function putObjectIfAbsent(
  session: S3Session,
  key: string,
  body: Uint8Array,
  context: RequestContext,
): Promise<PutOutcome> {
  const checksum = crc32Base64(body);
  return ifAbsent(session, key, context, async (condition) => {
    await request(
      session,
      `PutObject ${key}`,
      (options) => session.client.send(putCommand(session, key, body, checksum, condition), options),
      context,
      (error) => isAnswerTo(condition, error),
    );
  });
}

/** `If-None-Match: *`, or nothing for a store that does not know it. */
export type Condition = { IfNoneMatch?: '*' };

/**
 * Runs `create` with the condition and reads its answer. A store that does not know the condition is asked
 * whether there is an object, and then told to create it, which two writers at once can get past.
 */
export async function ifAbsent(
  session: S3Session,
  key: string,
  context: RequestContext,
  create: (condition: Condition) => Promise<void>,
): Promise<PutOutcome> {
  if (session.knowsCondition) {
    try {
      await create({ IfNoneMatch: '*' });
      return 'stored';
    } catch (error) {
      if (isRefusal(error, 'PreconditionFailed')) return 'exists';
      if (!isRefusal(error, 'NotImplemented')) throw error;
      forgetCondition(session);
    }
  }
  if (await hasObject(session, key, context)) return 'exists';
  await create({});
  return 'stored';
}

/** Whether an error is an answer to the condition: there is an object, or the store does not know it. */
export function isAnswerTo(condition: Condition, error: unknown): boolean {
  return condition.IfNoneMatch !== undefined && isRefusal(error, 'PreconditionFailed', 'NotImplemented');
}

/** CRC32 as S3 wants it: base64 of four bytes, most significant first. */
export function crc32Base64(body: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}

function forgetCondition(session: S3Session): void {
  if (!session.knowsCondition) return;
  session.knowsCondition = false;
  session.emit({
    type: 'warning',
    message: `the store at ${session.endpoint} does not know If-None-Match, so two writers of one object at the same moment are not told apart`,
  });
}

function putCommand(
  session: S3Session,
  key: string,
  body: Uint8Array,
  checksum: string,
  condition: Condition = {},
): PutObjectCommand {
  return new PutObjectCommand({
    Bucket: session.bucket,
    Key: session.prefix + key,
    Body: body,
    ContentLength: body.length,
    ChecksumCRC32: checksum,
    ...session.objectOptions,
    ...condition,
  });
}
