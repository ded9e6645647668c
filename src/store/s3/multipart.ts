import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { messageOf } from '../../errors.ts';
import { isRefusal, S3Refusal } from './answer.ts';
import { toStoreError } from './failure.ts';
import { type Condition, crc32Base64, isAnswerTo } from './put.ts';
import { type RequestContext, request, type S3Session } from './session.ts';

/** How long an upload that failed is tried to be removed, ms. */
const ABORT_MS = 15_000;

/** An unfinished multipart upload. */
export interface Upload {
  key: string;
  id: string;
  parts: StoredPart[];
}

interface StoredPart {
  PartNumber: number;
  ETag: string;
  ChecksumCRC32: string;
}

/**
 * Begins an upload. A signal does not cut the request off: an answer that nobody waits for would leave an
 * upload whose id nobody knows.
 */
export async function createUpload(session: S3Session, key: string, signal: AbortSignal): Promise<Upload> {
  const command = new CreateMultipartUploadCommand({
    Bucket: session.bucket,
    Key: session.prefix + key,
    ChecksumAlgorithm: 'CRC32',
    ...session.objectOptions,
  });
  const { UploadId } = await request(
    session,
    `CreateMultipartUpload ${key}`,
    (options) => session.client.send(command, options),
    { signal, isFinished: true },
  );
  return { key, id: UploadId!, parts: [] };
}

/** Stores one part; any number at once. */
export async function uploadPart(
  session: S3Session,
  upload: Upload,
  number: number,
  body: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const checksum = crc32Base64(body);
  const { ETag } = await request(
    session,
    `UploadPart ${upload.key} ${number}`,
    (options) =>
      session.client.send(
        new UploadPartCommand({
          Bucket: session.bucket,
          Key: session.prefix + upload.key,
          UploadId: upload.id,
          PartNumber: number,
          Body: body,
          ContentLength: body.length,
          ChecksumCRC32: checksum,
        }),
        options,
      ),
    { signal },
  );
  upload.parts.push({ PartNumber: number, ETag: ETag!, ChecksumCRC32: checksum });
}

/**
 * Makes an upload an object. A signal does not cut the request off: it is done, or it is not.
 * @throws S3Refusal where the condition is not met or not known
 */
export async function completeUpload(
  session: S3Session,
  upload: Upload,
  condition: Condition,
  signal: AbortSignal,
): Promise<void> {
  const command = new CompleteMultipartUploadCommand({
    Bucket: session.bucket,
    Key: session.prefix + upload.key,
    UploadId: upload.id,
    MultipartUpload: { Parts: inOrder(upload.parts) },
    ...condition,
  });
  const operation = `CompleteMultipartUpload ${upload.key}`;
  const isGone = (error: unknown) => isRefusal(error, 'NoSuchUpload');
  try {
    await request(
      session,
      operation,
      (options) => session.client.send(command, options),
      { signal, isFinished: true },
      (error) => isGone(error) || isAnswerTo(condition, error),
    );
  } catch (error) {
    if (!isGone(error)) throw error;
    if (!(await isCompleted(session, upload))) throw toStoreError(error, operation, session);
  }
}

/** Removes an unfinished upload with its parts. One that cannot be removed is told, not thrown. */
export async function abortUpload(session: S3Session, upload: Upload): Promise<void> {
  try {
    await sendAbort(session, upload.key, upload.id, { totalMs: ABORT_MS });
  } catch (error) {
    session.emit({
      type: 'warning',
      message: `an unfinished upload of ${upload.key} stays in the store: ${messageOf(error)}`,
      hint: 'It is removed by the next sweep, or by a lifecycle rule of the bucket.',
    });
  }
}

/** Aborts an upload by its id. One that is already gone is no error. @returns whether there was one */
export async function sendAbort(
  session: S3Session,
  key: string,
  id: string,
  context: RequestContext,
): Promise<boolean> {
  const command = new AbortMultipartUploadCommand({
    Bucket: session.bucket,
    Key: session.prefix + key,
    UploadId: id,
  });
  const isGone = (error: unknown) => isRefusal(error, 'NoSuchUpload');
  try {
    await request(
      session,
      `AbortMultipartUpload ${key}`,
      (options) => session.client.send(command, options),
      context,
      isGone,
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Whether an upload that is gone has become the object: an earlier answer may have been lost. */
async function isCompleted(session: S3Session, upload: Upload): Promise<boolean> {
  const key = session.prefix + upload.key;
  const command = new HeadObjectCommand({ Bucket: session.bucket, Key: key });
  const isAbsent = (error: unknown) => error instanceof S3Refusal && error.status === 404;
  try {
    const { ETag, ChecksumCRC32 } = await request(
      session,
      `HeadObject ${upload.key}`,
      (options) => session.client.send(command, options),
      {},
      isAbsent,
    );
    return ChecksumCRC32 === compositeChecksum(upload) || ETag === `"${compositeTag(upload)}"`;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** CRC32 over the CRC32 of the parts, the checksum S3 gives a multipart upload ("Checking object integrity"). */
function compositeChecksum({ parts }: Upload): string {
  const checksums = inOrder(parts).map(({ ChecksumCRC32 }) => Buffer.from(ChecksumCRC32, 'base64'));
  return `${crc32Base64(Buffer.concat(checksums))}-${parts.length}`;
}

/** MD5 over the MD5 of the parts: what stores without checksums have. */
function compositeTag({ parts }: Upload): string {
  const tags = inOrder(parts).map(({ ETag }) => Buffer.from(ETag.replaceAll('"', ''), 'hex'));
  return `${createHash('md5').update(Buffer.concat(tags)).digest('hex')}-${parts.length}`;
}

function inOrder(parts: readonly StoredPart[]): StoredPart[] {
  return parts.toSorted((a, b) => a.PartNumber - b.PartNumber);
}
