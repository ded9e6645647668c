import {
  HeadObjectCommand,
  type _Object as ListedObject,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import type { ListOptions, ObjectInfo } from '../store.ts';
import { S3Refusal } from './answer.ts';
import { unfit } from './failure.ts';
import { ListingPage } from './listing-page.ts';
import { type RequestContext, request, type S3Session } from './session.ts';

/** Most objects that a page of a listing can have. */
const PAGE_OBJECTS = 1000;

/** All objects under a prefix in the store's order, page by page. A page that fails throws. */
export async function* listObjects(
  session: S3Session,
  prefix: string,
  { signal, startAfter, shallow, limit = Number.POSITIVE_INFINITY }: ListOptions,
): AsyncGenerator<ObjectInfo> {
  const pageSize = limit < PAGE_OBJECTS ? limit : undefined;
  const ask = (token?: string) => listPage(session, prefix, { signal }, token, startAfter, pageSize, shallow);
  let left = limit;
  let asked: Promise<ListObjectsV2CommandOutput> | undefined = ask();
  for (let token: string | undefined; asked !== undefined; ) {
    const page: ListObjectsV2CommandOutput = await asked;
    const next: string | undefined = page.IsTruncated ? page.NextContinuationToken : undefined;
    // Half a listing must never pass for a whole one, nor a page for the next.
    if (page.IsTruncated && (next === undefined || next === token)) {
      throw unfit(session, `ListObjectsV2 ${prefix}`, 'the listing goes on, but does not say where');
    }
    token = next;
    const objects = page.Contents ?? [];
    // The store works on the next page while this one is looked at.
    asked = next === undefined || objects.length >= left ? undefined : ask(next);
    // A reader that stops early does not hear of it.
    asked?.catch(() => undefined);
    for (const object of objects) {
      if (left-- <= 0) return;
      yield toInfo(session, object);
    }
  }
}

/** Size and time of an object. @returns undefined when the store says that there is none */
export async function headObject(
  session: S3Session,
  key: string,
  context: RequestContext,
): Promise<ObjectInfo | undefined> {
  try {
    const answer = await request(
      session,
      `HeadObject ${key}`,
      (options) =>
        session.client.send(
          new HeadObjectCommand({ Bucket: session.bucket, Key: session.prefix + key }),
          options,
        ),
      context,
      isNotFound,
    );
    if (answer.ContentLength === undefined || answer.LastModified === undefined) {
      throw unfit(session, `HeadObject ${key}`, 'the answer has no size or no time');
    }
    return { key, size: answer.ContentLength, modified: answer.LastModified };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // A 404 without a body may be anyone's, or about the bucket. A listing tells.
    return findByListing(session, key, context);
  }
}

/** Whether there is an object, by a listing. */
export async function hasObject(session: S3Session, key: string, context: RequestContext): Promise<boolean> {
  return (await findByListing(session, key, context)) !== undefined;
}

/** The exact key is the first of all that start with it. */
async function findByListing(
  session: S3Session,
  key: string,
  context: RequestContext,
): Promise<ObjectInfo | undefined> {
  const page = await listPage(session, key, context, undefined, undefined, 1);
  const [first] = page.Contents ?? [];
  return first?.Key === session.prefix + key ? toInfo(session, first) : undefined;
}

async function listPage(
  session: S3Session,
  prefix: string,
  context: RequestContext,
  token?: string,
  startAfter?: string,
  maxKeys?: number,
  shallow = false,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({
    Bucket: session.bucket,
    Prefix: session.prefix + prefix,
    ...(token === undefined ? {} : { ContinuationToken: token }),
    ...(startAfter === undefined ? {} : { StartAfter: session.prefix + startAfter }),
    ...(maxKeys === undefined ? {} : { MaxKeys: maxKeys }),
    ...(shallow ? { Delimiter: '/' } : {}),
  });
  const page = new ListingPage(command);
  const answer = await request(
    session,
    `ListObjectsV2 ${prefix}`,
    (options) => session.client.send(command, options),
    context,
  );
  return page.objects === undefined ? answer : { ...answer, Contents: page.objects };
}

function toInfo(session: S3Session, object: ListedObject): ObjectInfo {
  const { Key, Size, LastModified } = object;
  if (
    Key === undefined ||
    Size === undefined ||
    LastModified === undefined ||
    !Key.startsWith(session.prefix)
  ) {
    throw unfit(session, 'ListObjectsV2', `the listing says too little of ${Key}`);
  }
  return { key: Key.slice(session.prefix.length), size: Size, modified: LastModified };
}

function isNotFound(error: unknown): boolean {
  return error instanceof S3Refusal && error.status === 404;
}
