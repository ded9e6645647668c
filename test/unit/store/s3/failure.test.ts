import { expect, test } from 'vitest';
import { S3Refusal } from '../../../../src/store/s3/answer.ts';
import { toCredentialsFailure } from '../../../../src/store/s3/credentials-failure.ts';
import { toStoreError } from '../../../../src/store/s3/failure.ts';
import { StalledError } from '../../../../src/store/s3/idle-timer.ts';

const context = { endpoint: 'https://s3.test', bucket: 'b', secrets: ['s3cr3t'] };

function systemError(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

function answered(httpStatusCode: number): Error {
  return Object.assign(new Error('s3cr3t'), { $metadata: { httpStatusCode } });
}

test.each([
  [new S3Refusal(503, 'SlowDown', 'Please reduce.', 'R', true), true],
  [new S3Refusal(500, 'InternalError', '', 'R', true), true],
  [new S3Refusal(200, 'InternalError', '', 'R', true), true],
  [new S3Refusal(429, undefined, '', undefined, false), true],
  [new S3Refusal(400, 'RequestTimeout', '', 'R', true), true],
  [new S3Refusal(400, 'BadDigest', '', 'R', true), true],
  [new S3Refusal(409, 'ConditionalRequestConflict', '', 'R', true), true],
  [new S3Refusal(404, undefined, 'HTML instead of XML', undefined, false), true],
  [new S3Refusal(200, undefined, 'HTML instead of XML', undefined, false), true],
  [new S3Refusal(403, 'AccessDenied', '', 'R', true), false],
  [new S3Refusal(403, undefined, 'HTML instead of XML', undefined, false), false],
  [new S3Refusal(404, 'NoSuchBucket', '', 'R', true), false],
  [new S3Refusal(301, 'PermanentRedirect', '', 'R', true), false],
  [new S3Refusal(400, 'ExpiredToken', '', 'R', true), false],
  [new S3Refusal(501, 'NotImplemented', '', 'R', true), false],
  [new StalledError(30_000, 'the answer was awaited'), true],
  [systemError('ECONNREFUSED'), true],
  [systemError('ECONNRESET'), true],
  [systemError('ENOTFOUND'), true],
  [new AggregateError([systemError('ECONNREFUSED', 'connect ECONNREFUSED ::1:9000')], ''), false],
  [Object.assign(new AggregateError([new Error('connect refused')], ''), { code: 'ECONNREFUSED' }), true],
  [systemError('SELF_SIGNED_CERT_IN_CHAIN'), false],
  [systemError('ERR_TLS_CERT_ALTNAME_INVALID'), false],
  [systemError('EPROTO'), false],
  [toCredentialsFailure(new Error('none found')), false],
  [toCredentialsFailure(systemError('ECONNREFUSED')), true],
  [toCredentialsFailure(systemError('SELF_SIGNED_CERT_IN_CHAIN')), false],
  [toCredentialsFailure(answered(503)), true],
  [toCredentialsFailure(answered(403)), false],
  [new TypeError('a mistake of ours'), false],
])('%s: retryable %s', (error, retryable) => {
  const failure = toStoreError(error, 'GetObject x', context);
  expect(failure).toMatchObject({ code: 'store-unreachable', exitCode: 7, retryable });
  expect(failure.message).toContain('https://s3.test, bucket b, failed GetObject x: ');
});

test.each([
  new SyntaxError(`Unexpected token 's', "s3cr3t" is not valid JSON`),
  new Error('@aws-sdk XML parse error: missing </s3cr3t>\n  Deserialization error: to see more'),
  new Error('Command failed: hand-out --password s3cr3t\ns3cr3t'),
  answered(200),
])('what a service or command hands out is not told: %s', (error) => {
  const failure = toStoreError(toCredentialsFailure(error), 'PutObject x', { ...context, secrets: [] });
  expect(failure.message).toContain('failed PutObject x: no credentials: ');
  expect(JSON.stringify([failure.message, failure.details, `${failure.cause}`])).not.toContain('s3cr3t');
});

test('the store’s own words and no secrets', () => {
  const error = new S3Refusal(403, 'AccessDenied', 'key s3cr3t is wrong', 'R9', true);
  const failure = toStoreError(error, 'PutObject x', context);
  expect(failure.message).toBe(
    'the store at https://s3.test, bucket b, failed PutObject x: 403 AccessDenied (key … is wrong), request R9',
  );
  expect(failure.details).toMatchObject({
    status: 403,
    code: 'AccessDenied',
    requestId: 'R9',
    operation: 'PutObject x',
  });
});

test.each([
  ['AccessDenied', 403, /^Let these credentials get, put, list and delete/],
  ['AccessForbidden', 403, /^Let these credentials/],
  [undefined, 403, /^Let these credentials/],
  ['InvalidObjectState', 403, /^The object lies in an archive class.*restore it in the store first/],
  ['QuotaExceeded', 403, /^Free space in the store.*raise its quota/],
  ['XMinioAdminBucketQuotaExceeded', 400, /^Free space in the store/],
  ['RequestTimeTooSkewed', 403, /^Set the clock/],
  ['AccountProblem', 403, /^(?!Let these credentials)/],
])('the hint is about what the store refused: %s', (code, status, hint) => {
  const failure = toStoreError(new S3Refusal(status, code, 'Words.', 'R', true), 'GetObject x', context);
  expect(failure.retryable).toBe(false);
  expect(failure.hint).toMatch(hint);
});
