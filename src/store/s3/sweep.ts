import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import { isRefusal } from './answer.ts';
import { unfit } from './failure.ts';
import { sendAbort } from './multipart.ts';
import { request, type S3Session } from './session.ts';

/** What a store answers that does not have the request. */
const UNKNOWN = ['NotImplemented', 'MethodNotAllowed'];

/**
 * Aborts multipart uploads under the store's prefix that were begun before `before`.
 *
 * MinIO lists the uploads of one exact key only, except when no prefix is given: then those begun since the
 * server started. So the whole bucket is looked through when the prefix gives nothing; what MinIO has
 * forgotten by a restart it removes itself after a day (`MINIO_API_STALE_UPLOADS_EXPIRY`).
 * @returns how many
 */
export async function sweepUploads(session: S3Session, before: Date, signal?: AbortSignal): Promise<number> {
  let swept = await sweepUnder(session, session.prefix, before, signal);
  if (swept === 0 && session.prefix !== '') swept = await sweepUnder(session, '', before, signal);
  return swept;
}

async function sweepUnder(
  session: S3Session,
  prefix: string,
  before: Date,
  signal: AbortSignal | undefined,
): Promise<number> {
  let swept = 0;
  for await (const { Key, UploadId, Initiated } of listUploads(session, prefix, signal)) {
    if (Key === undefined || UploadId === undefined || !Key.startsWith(session.prefix)) continue;
    if (Initiated === undefined || Initiated >= before) continue;
    if (await sendAbort(session, Key.slice(session.prefix.length), UploadId, { signal })) swept += 1;
  }
  return swept;
}

async function* listUploads(
  session: S3Session,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<MultipartUpload> {
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (;;) {
    const command = new ListMultipartUploadsCommand({ Bucket: session.bucket, Prefix: prefix, ...marker });
    // Without the prefix, these may be uploads that are not for us to see.
    const codes = prefix === session.prefix ? UNKNOWN : [...UNKNOWN, 'AccessDenied'];
    const isAnswer = (error: unknown) => isRefusal(error, ...codes);
    let page: ListMultipartUploadsCommandOutput;
    try {
      page = await request(
        session,
        'ListMultipartUploads',
        (options) => session.client.send(command, options),
        { signal },
        isAnswer,
      );
    } catch (error) {
      if (isAnswer(error)) return;
      throw error;
    }
    yield* page.Uploads ?? [];
    if (!page.IsTruncated) return;
    const next = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker || undefined };
    const isRepeated = next.KeyMarker === marker.KeyMarker && next.UploadIdMarker === marker.UploadIdMarker;
    if (!next.KeyMarker || isRepeated) {
      throw unfit(session, 'ListMultipartUploads', 'the listing goes on, but does not say where');
    }
    marker = next;
  }
}
