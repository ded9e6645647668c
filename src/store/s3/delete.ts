import { createHash } from 'node:crypto';
import { DeleteObjectCommand, DeleteObjectsCommand, type _Error as ObjectError } from '@aws-sdk/client-s3';
import type { PgarcError } from '../../errors.ts';
import { formatCount } from '../../report/units.ts';
import { isRefusal } from './answer.ts';
import { storeError } from './failure.ts';
import { request, type S3Session } from './session.ts';

/** Most keys of one DeleteObjects. */
const BATCH = 1000;

/** Requests at once where the store removes one object a request only. */
const SINGLES_AT_ONCE = 8;

/** Codes of single keys that may pass. */
const PASSING = new Set([
  'InternalError',
  'SlowDown',
  'ServiceUnavailable',
  'OperationAborted',
  'RequestTimeout',
]);

/** Removes objects. One that is already gone is no error; any that stays is. */
export async function deleteObjects(
  session: S3Session,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    if (batch.length === 1) await deleteOne(session, batch[0]!, signal);
    else await deleteBatch(session, batch, signal);
  }
}

async function deleteBatch(session: S3Session, batch: string[], signal?: AbortSignal): Promise<void> {
  let left = batch;
  const operation = `DeleteObjects ${batch[0]} and ${batch.length - 1} more`;
  try {
    await request(
      session,
      operation,
      async (options) => {
        const objects = left.map((key) => ({ Key: session.prefix + key }));
        const command = new DeleteObjectsCommand({
          Bucket: session.bucket,
          Delete: { Objects: objects, Quiet: true },
        });
        command.middlewareStack.add(addContentMd5, { step: 'build', name: 'contentMd5', priority: 'low' });
        const { Errors = [] } = await session.client.send(command, options);
        const failed = Errors.filter(({ Code }) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion');
        left = failed.map(({ Key = '' }) => Key.slice(session.prefix.length));
        if (failed.length > 0) throw keysRefused(session, operation, failed);
      },
      { signal },
      isWithoutBatches,
    );
  } catch (error) {
    if (!isWithoutBatches(error)) throw error;
    await deleteSingly(session, batch, signal);
  }
}

/** Some stores, Google's among them, remove one object a request only. */
function isWithoutBatches(error: unknown): boolean {
  return isRefusal(error, 'NotImplemented', 'MethodNotAllowed');
}

async function deleteSingly(
  session: S3Session,
  batch: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const queue = batch.values();
  const work = async () => {
    for (const key of queue) await deleteOne(session, key, signal);
  };
  await Promise.all(Array.from({ length: SINGLES_AT_ONCE }, work));
}

async function deleteOne(session: S3Session, key: string, signal?: AbortSignal): Promise<void> {
  const command = new DeleteObjectCommand({ Bucket: session.bucket, Key: session.prefix + key });
  const isGone = (error: unknown) => isRefusal(error, 'NoSuchKey');
  try {
    await request(
      session,
      `DeleteObject ${key}`,
      (options) => session.client.send(command, options),
      { signal },
      isGone,
    );
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function keysRefused(session: S3Session, operation: string, errors: readonly ObjectError[]): PgarcError {
  const { Key = '', Code = '', Message = '' } = errors[0]!;
  const key = Key.slice(session.prefix.length);
  const reason = `${formatCount(errors.length, 'object')} ${errors.length === 1 ? 'stays' : 'stay'}, the first is ${key}: ${Code} (${Message})`;
  return storeError(reason, operation, session, {
    retryable: errors.every(({ Code = '' }) => PASSING.has(Code)),
    details: {
      refused: errors.length,
      keys: errors.slice(0, 100).map(({ Key = '' }) => Key.slice(session.prefix.length)),
    },
  });
}

/** Stores older than S3's newer checksums insist on this header for DeleteObjects. */
// biome-ignore lint/suspicious/noExplicitAny: the SDK's middleware types do not fit any one command
function addContentMd5(next: any): any {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  return (args: any) => {
    const { headers, body } = args.request;
    if (typeof body === 'string' || body instanceof Uint8Array) {
      headers['content-md5'] = createHash('md5').update(body).digest('base64');
    }
    return next(args);
  };
}
