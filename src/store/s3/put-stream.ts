import type { PutOutcome, PutStreamOptions } from '../store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { abortUpload, completeUpload, createUpload, type Upload, uploadPart } from './multipart.ts';
import { cutIntoParts } from './parts.ts';
import { ifAbsent, putObject, putObjectIfAbsent } from './put.ts';
import type { S3Session } from './session.ts';

export interface StreamResult {
  bytes: number;
  outcome: PutOutcome;
}

/**
 * Stores a stream: in one request when it fits one part, else by a multipart upload with as many parts in
 * flight as the pool has buffers for. When the stream, a part or the signal fails, the upload is aborted.
 * @param isConditional stores only when there is no object; the request that completes it decides
 */
export async function putObjectStream(
  session: S3Session,
  pool: BufferPool,
  key: string,
  body: AsyncIterable<Uint8Array>,
  isConditional: boolean,
  { signal, expected }: PutStreamOptions,
): Promise<StreamResult> {
  // Stops the source and all parts when one of them fails.
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const inFlight = new Set<Promise<void>>();
  let upload: Upload | undefined;
  let bytes = 0;
  try {
    for await (const part of cutIntoParts(body, pool, key, stop.signal, expected)) {
      bytes += part.bytes.length;
      if (part.isLast && part.number === 1) {
        const outcome = await putWhole(session, key, part.bytes, isConditional, stop.signal).finally(() =>
          pool.give(part.buffer),
        );
        return { bytes, outcome };
      }
      try {
        upload ??= await createUpload(session, key, stop.signal);
      } catch (error) {
        pool.give(part.buffer);
        throw error;
      }
      const sent = uploadPart(session, upload, part.number, part.bytes, stop.signal)
        .catch((error: unknown) => {
          // The first failure is what is thrown; the others follow from it.
          stop.abort(error);
        })
        .finally(() => {
          pool.give(part.buffer);
          inFlight.delete(sent);
        });
      inFlight.add(sent);
    }
    await Promise.all(inFlight);
    stop.signal.throwIfAborted();
    return { bytes, outcome: await complete(session, upload!, isConditional, stop.signal) };
  } catch (error) {
    stop.abort(error);
    await Promise.all(inFlight);
    if (upload !== undefined) await abortUpload(session, upload);
    throw stop.signal.reason;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function putWhole(
  session: S3Session,
  key: string,
  body: Uint8Array,
  isConditional: boolean,
  signal: AbortSignal,
): Promise<PutOutcome> {
  const context = { signal, isFinished: true };
  if (isConditional) return putObjectIfAbsent(session, key, body, context);
  await putObject(session, key, body, context);
  return 'stored';
}

async function complete(
  session: S3Session,
  upload: Upload,
  isConditional: boolean,
  signal: AbortSignal,
): Promise<PutOutcome> {
  const finish = (condition: object) => completeUpload(session, upload, condition, signal);
  if (!isConditional) {
    await finish({});
    return 'stored';
  }
  const outcome = await ifAbsent(session, upload.key, { signal }, finish);
  if (outcome === 'exists') await abortUpload(session, upload);
  return outcome;
}
