import type { S3Client } from '@aws-sdk/client-s3';
import type { Settings } from '../../config/settings.ts';
import type { Emit } from '../../report/events.ts';
import { abortLater } from '../abortable.ts';
import { retry } from '../retry.ts';
import { type FailureContext, toStoreError } from './failure.ts';

/** A bucket and a prefix, and how requests to it are made. */
export interface S3Session extends FailureContext {
  readonly client: S3Client;
  /** With a slash at its end, or empty. */
  readonly prefix: string;
  readonly emit: Emit;
  /** How long an operation is tried as a whole, ms. */
  readonly storeTimeout: number;
  /** How long a request may stand still, ms. */
  readonly requestTimeout: number;
  /** The same for the body of an answer, ms. */
  readonly stallTimeout: number;
  /** Parameters of every new object: storage class and encryption. */
  readonly objectOptions: Readonly<Record<string, string>>;
  /** Whether the store knows `If-None-Match: *`, as far as seen. */
  knowsCondition: boolean;
}

/** What a request is told for the SDK's `send`. */
export interface SendOptions {
  abortSignal?: AbortSignal;
  requestTimeout: number;
}

export interface RequestContext {
  signal?: AbortSignal | undefined;
  /** Instead of the store timeout, ms. */
  totalMs?: number;
  /**
   * A request under way when the signal aborts gets a few seconds to finish, because what it changes must be
   * known. It is not repeated then.
   */
  isFinished?: boolean;
}

/** Least time after which a download counts as standing still, unless a request may take less, ms. */
const SHORTEST_STALL_MS = 3_000;

/** What a request gets that is finished although the signal aborts, ms. */
const GRACE_MS = 5_000;

/**
 * How long what has begun to arrive may stand still, ms: a standby that is told to wait 3 s shall not wait for
 * longer with half a segment in hand. A shorter pause is usual on a line that loses packets.
 */
export function stallLimit({ requestTimeout, storeTimeout }: Settings): number {
  return Math.min(requestTimeout, Math.max(SHORTEST_STALL_MS, storeTimeout));
}

/** Parameters of new objects, as the settings have them. */
export function objectOptionsOf(settings: Settings): Record<string, string> {
  const options: Record<string, string> = {};
  if (settings.s3StorageClass !== undefined) options.StorageClass = settings.s3StorageClass;
  if (settings.s3Sse !== undefined) options.ServerSideEncryption = settings.s3Sse;
  if (settings.s3SseKmsKeyId !== undefined) options.SSEKMSKeyId = settings.s3SseKmsKeyId;
  return options;
}

/**
 * Makes a request, again and again where that may help. A single one stands still no longer than the whole may
 * take.
 * @param operation for errors and events: `PutObject wal_005/…`
 * @param isAnswer tells errors that are an answer for the caller, thrown on as they are
 * @throws PgarcError `store-unreachable`
 */
export function request<T>(
  session: S3Session,
  operation: string,
  send: (options: SendOptions) => Promise<T>,
  { signal, totalMs = session.storeTimeout, isFinished = false }: RequestContext = {},
  isAnswer: (error: unknown) => boolean = () => false,
): Promise<T> {
  return retry({ operation, totalMs, emit: session.emit, signal }, async ({ remainingMs }) => {
    const requestTimeout = Math.min(session.requestTimeout, remainingMs);
    const late = isFinished && signal !== undefined ? abortLater(signal, GRACE_MS) : undefined;
    const abortSignal = late?.signal ?? signal;
    try {
      return await send(abortSignal === undefined ? { requestTimeout } : { abortSignal, requestTimeout });
    } catch (error) {
      throw isAnswer(error) ? error : toStoreError(error, operation, session);
    } finally {
      late?.stop();
    }
  });
}
