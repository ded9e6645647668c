import { expect, test } from 'vitest';
import { checkAnswer, expectedAnswer, isObject, S3Refusal } from '../../../../src/store/s3/answer.ts';

function refusal(...[expected, status, headers, body]: [...Parameters<typeof checkAnswer>]): S3Refusal {
  try {
    checkAnswer(expected, status, headers, body);
  } catch (error) {
    if (error instanceof S3Refusal) return error;
    throw error;
  }
  throw new Error('the answer was accepted');
}

const listing = Buffer.from('<?xml version="1.0"?>\n<ListBucketResult><Name>b</Name></ListBucketResult>\n');

test('what each request is answered with', () => {
  expect(expectedAnswer('GET', { 'list-type': '2' })).toBe('result');
  expect(expectedAnswer('GET', { uploads: '' })).toBe('result');
  expect(expectedAnswer('GET', { 'x-id': 'GetObject' })).toBe('object');
  expect(expectedAnswer('POST', { delete: '' })).toBe('result');
  expect(expectedAnswer('PUT', { partNumber: '1' })).toBe('tag');
  expect(expectedAnswer('HEAD')).toBe('head');
  expect(expectedAnswer('DELETE')).toBe('nothing');
});

test('what is S3’s passes', () => {
  checkAnswer('result', 200, { 'content-type': 'application/xml' }, listing);
  // Spaces keep the connection open while AWS completes an upload.
  checkAnswer('result', 200, {}, Buffer.concat([Buffer.from('   \n  '), listing]));
  checkAnswer('tag', 200, { etag: '"x"' }, Buffer.alloc(0));
  checkAnswer('head', 200, { etag: '"x"', 'content-type': 'application/octet-stream' }, Buffer.alloc(0));
  checkAnswer('nothing', 204, {}, Buffer.alloc(0));
  expect(isObject(206, { etag: '"x"', 'content-type': 'application/octet-stream' })).toBe(true);
});

test('a listing that is cut short or empty is none', () => {
  for (let length = 0; length < listing.length - 1; length += 7) {
    expect(refusal('result', 200, {}, listing.subarray(0, length)).isFromStore).toBe(false);
  }
});

test('nothing left to delete may be said with an empty element', () => {
  for (const text of [
    '<DeleteResult/>',
    '<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" />\n',
  ]) {
    checkAnswer('result', 200, { 'content-type': 'application/xml' }, Buffer.from(text));
    const cut = text.trim();
    for (let length = 0; length < cut.length; length++) {
      expect(refusal('result', 200, {}, Buffer.from(cut.slice(0, length))).isFromStore).toBe(false);
    }
  }
  for (const text of ['<DeleteResult><Error/>', '<ListBucketResult/>', '<DeleteResult attribute="<a/>']) {
    expect(refusal('result', 200, {}, Buffer.from(text)).isFromStore).toBe(false);
  }
});

test('a page of a proxy is not the store’s, whatever its status', () => {
  const page = Buffer.from('<!DOCTYPE html>\n<html><head><title>Bad &amp; gateway</title></head></html>');
  const headers = { 'content-type': 'text/html; charset=utf-8', etag: '"page"' };
  expect(isObject(200, headers)).toBe(false);
  for (const expected of ['object', 'head', 'tag', 'result', 'nothing'] as const) {
    for (const status of [200, 302, 403, 404, 412, 502]) {
      const error = refusal(expected, status, headers, page);
      expect(error).toMatchObject({ status, code: undefined, isFromStore: false });
      expect(error.message).toBe('HTML instead of XML: Bad & gateway');
    }
  }
});

test('an empty answer may have any type, unless it speaks of an object', () => {
  const headers = { 'content-type': 'text/html; charset=UTF-8', 'content-length': '0', etag: '"x"' };
  checkAnswer('tag', 200, headers, Buffer.alloc(0));
  checkAnswer('nothing', 204, headers, Buffer.alloc(0));
  for (const expected of ['object', 'head', 'result', 'configuration'] as const) {
    expect(refusal(expected, 200, headers, Buffer.alloc(0)).isFromStore).toBe(false);
  }
  expect(refusal('tag', 200, { 'content-type': 'text/html' }, Buffer.alloc(0)).isFromStore).toBe(false);
});

test('of another service’s answer nothing is repeated', () => {
  const secret = 's3cr3t';
  for (const [text, message] of [
    [
      `<AssumeRoleResponse><SecretAccessKey>${secret}</SecretAccessKey>`,
      'no answer of S3: AssumeRoleResponse',
    ],
    [`<?xml version="1.0"?>\n<Answer><title>${secret}</title></Answer>`, 'no answer of S3: Answer'],
    [`<html><head></head><body>${secret}</body></html>`, 'HTML instead of XML'],
    [JSON.stringify({ SecretAccessKey: secret }), 'no answer of S3'],
    ['no healthy upstream', 'no answer of S3: no healthy upstream'],
  ] as const) {
    for (const status of [200, 404, 500]) {
      expect(refusal('result', status, {}, Buffer.from(text)).message).toBe(message);
    }
  }
});

test('an error tells code, words and request', () => {
  const body = Buffer.from(
    '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>It&apos;s &lt;gone&gt;</Message><RequestId>R1</RequestId></Error>',
  );
  expect(refusal('object', 404, {}, body)).toMatchObject({
    status: 404,
    code: 'NoSuchKey',
    message: "It's <gone>",
    requestId: 'R1',
    isFromStore: true,
  });
  expect(refusal('result', 200, {}, body)).toMatchObject({ status: 200, code: 'NoSuchKey' });
  expect(refusal('tag', 404, { 'x-amz-request-id': 'R2' }, Buffer.alloc(0))).toMatchObject({
    code: undefined,
    requestId: 'R2',
    isFromStore: true,
  });
  expect(refusal('object', 404, {}, Buffer.alloc(0)).isFromStore).toBe(false);
});

test('a redirect names the region', () => {
  const body = Buffer.from('<Error><Code>PermanentRedirect</Code><Message>Elsewhere.</Message></Error>');
  const error = refusal('object', 301, { 'x-amz-bucket-region': 'eu-west-1' }, body);
  expect(error.message).toBe('Elsewhere. (the bucket is in region eu-west-1)');
});
