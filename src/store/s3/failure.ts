import { type ErrorOptions, messageOf, PgarcError } from '../../errors.ts';
import { codeOf } from '../../system/file-error.ts';
import { S3Refusal } from './answer.ts';
import { CredentialsFailure } from './credentials-failure.ts';
import { StalledError } from './idle-timer.ts';

/** Whom an error is about. */
export interface FailureContext {
  /** URL without credentials. */
  endpoint: string;
  bucket: string;
  /** Never repeated in a message. */
  secrets: readonly string[];
}

/** Codes below status 500 that pass: damage or a stall on the way, or a race of two writers. */
const PASSING_CODES = new Set([
  'RequestTimeout',
  'IncompleteBody',
  'BadDigest',
  'XAmzContentChecksumMismatch',
  'InvalidDigest',
  'OperationAborted',
  'ConditionalRequestConflict',
  'SlowDown',
  'TooManyRequests',
  // In an answer of status 200, too.
  'InternalError',
  'ServiceUnavailable',
]);

/** Statuses that mean the same tomorrow, even when a proxy says so. */
const FINAL_STATUSES = new Set([400, 401, 403, 405, 407, 411, 412, 501]);

/** Codes for an object that cannot be read as it lies. */
const ARCHIVED_CODES = new Set(['InvalidObjectState', 'ObjectNotInActiveTierError']);

/** Ceph's code for a quota that is used up, and MinIO's. */
const FULL_CODES = new Set(['QuotaExceeded', 'XMinioAdminBucketQuotaExceeded']);

/** Codes that speak of rights: AccessDenied, and how some stores call it. */
const DENIAL = /denied|forbidden|unauthorized|permission/i;

/** Node's codes for connections that fail and may not fail again. */
const PASSING_ERRORS =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EMFILE|HPE_\w+|ERR_STREAM_\w+)$/;

/** Those of them that speak of an endpoint where nobody answers. */
const UNANSWERED = /^(ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST\w+|ENET\w+)$/;

const CA_HINT =
  'Name the certificate of the CA that signed for the store with PGARC_S3_CA_FILE; `pgarc config show` has the file now in use.';

const TLS_ERRORS = /CERT|SIGNATURE|^ERR_TLS|^ERR_SSL|^EPROTO$|^HOSTNAME_MISMATCH$/;

/**
 * What a failed request means: always `store-unreachable` with the endpoint, the bucket and the store's own
 * words, retryable where the cause may pass.
 * @param operation such as `PutObject wal_005/…`
 */
export function toStoreError(error: unknown, operation: string, context: FailureContext): PgarcError {
  if (error instanceof PgarcError) return error;
  const isRefusal = error instanceof S3Refusal;
  const { reason, ...rest } = isRefusal ? judgeRefusal(error) : judgeError(error);
  const facts = isRefusal
    ? { status: error.status, code: error.code, requestId: error.requestId }
    : { code: codeOf(error) };
  // The SDK's own errors can hold the request they belong to, and that is signed.
  const cause = isRefusal || codeOf(error) !== undefined ? error : undefined;
  return storeError(hideSecrets(reason, context.secrets), operation, context, {
    ...rest,
    cause,
    details: facts,
  });
}

/** An error of the store with the endpoint, the bucket and what it was asked for. */
export function storeError(
  reason: string,
  operation: string,
  { endpoint, bucket }: FailureContext,
  options: ErrorOptions & { retryable: boolean },
): PgarcError {
  return new PgarcError(
    'store-unreachable',
    `the store at ${endpoint}, bucket ${bucket}, failed ${operation}: ${reason}`,
    { ...options, details: { endpoint, bucket, operation, reason, ...options.details } },
  );
}

/** An answer of S3's form that cannot be right. */
export function unfit(context: FailureContext, operation: string, reason: string): PgarcError {
  return storeError(reason, operation, context, {
    retryable: false,
    hint: 'Check whether a proxy on the way changes what the store answers.',
  });
}

interface Judgement {
  reason: string;
  retryable: boolean;
  hint?: string;
}

function judgeRefusal(refusal: S3Refusal): Judgement {
  const { status, code, message, requestId, isFromStore } = refusal;
  const words = [String(status), code, message === '' ? undefined : `(${message})`].filter(Boolean).join(' ');
  const reason = requestId === undefined ? words : `${words}, request ${requestId}`;
  if (code !== undefined && PASSING_CODES.has(code)) return { reason, retryable: true };
  const hint = hintFor(status, code, isFromStore);
  const judgement = hint === undefined ? { reason } : { reason, hint };
  if (status === 501) return { ...judgement, retryable: false };
  if (status >= 500 || status === 429 || status === 408) return { ...judgement, retryable: true };
  // A page of a proxy or a document cut short says nothing about the store.
  return { ...judgement, retryable: !isFromStore && !FINAL_STATUSES.has(status) };
}

function hintFor(status: number, code: string | undefined, isFromStore: boolean): string | undefined {
  if (code === 'NoSuchBucket') return 'Create the bucket, or correct its name in PGARC_STORE.';
  if (code === 'RequestTimeTooSkewed') return 'Set the clock of this machine or of the store.';
  if (code === 'InvalidAccessKeyId' || code === 'SignatureDoesNotMatch') {
    return 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.';
  }
  if (code === 'ExpiredToken')
    return 'Renew the session token; credentials of a role are renewed by themselves.';
  if (code !== undefined && ARCHIVED_CODES.has(code)) {
    return 'The object lies in an archive class, where a lifecycle rule or s3-storage-class put it: restore it in the store first.';
  }
  if (code !== undefined && FULL_CODES.has(code)) {
    return 'Free space in the store, for instance with `pgarc retain --confirm` (without --confirm it only shows what it would delete), or raise its quota.';
  }
  if (status === 403 && isFromStore && (code === undefined || DENIAL.test(code))) {
    return 'Let these credentials get, put, list and delete objects under the prefix, and check the name of the bucket.';
  }
  if (status >= 300 && status < 400) return 'Check the region and the endpoint of the bucket.';
  if (!isFromStore) return 'Check the endpoint, and whether a proxy answers in its place.';
  return undefined;
}

function judgeError(error: unknown): Judgement {
  const code = codeOf(error);
  const message = describe(error, code);
  if (error instanceof StalledError) return { reason: message, retryable: true };
  if (error instanceof CredentialsFailure) return judgeCredentials(error);
  if (code !== undefined && PASSING_ERRORS.test(code)) {
    const hint = UNANSWERED.test(code)
      ? { hint: 'Check that the endpoint is the right one, that the store runs, and the network to it.' }
      : {};
    return { reason: message, retryable: true, ...hint };
  }
  if (code !== undefined && TLS_ERRORS.test(code)) {
    const hint = /^ERR_SSL|^EPROTO$/.test(code)
      ? 'Check whether the endpoint speaks https on that port.'
      : CA_HINT;
    return { reason: message, retryable: false, hint };
  }
  return { reason: message, retryable: false };
}

function judgeCredentials({ message, status, code }: CredentialsFailure): Judgement {
  if (status !== undefined) {
    return {
      reason: message,
      retryable: !FINAL_STATUSES.has(status),
      hint: 'Check the role or profile that the settings of AWS name, whom it trusts, and AWS_ENDPOINT_URL_STS if it is set.',
    };
  }
  if (code !== undefined && PASSING_ERRORS.test(code)) {
    return {
      reason: message,
      retryable: true,
      hint: 'Check the network to the service that hands out credentials.',
    };
  }
  if (code !== undefined && TLS_ERRORS.test(code))
    return { reason: message, retryable: false, hint: CA_HINT };
  return {
    reason: message,
    retryable: false,
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where the default chain of AWS finds a role.',
  };
}

/** Connecting to several addresses fails with one error for each and no words of its own. */
function describe(error: unknown, code: string | undefined): string {
  const inner = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error);
  return inner === '' ? (code ?? 'no answer') : inner;
}

function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '…'), text);
}
