import { expect, test } from 'vitest';
import { formatStoreLocation, parseStoreLocation } from '../../../src/store/location.ts';

test.each([
  ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }, 's3://bucket'],
  ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }, 's3://bucket'],
  ['s3://my.bucket-1/a/b/', { kind: 's3', bucket: 'my.bucket-1', prefix: 'a/b' }, 's3://my.bucket-1/a/b'],
  ['s3://bucket//a', { kind: 's3', bucket: 'bucket', prefix: 'a' }, 's3://bucket/a'],
  ['file:///srv/archive/', { kind: 'folder', path: '/srv/archive' }, 'file:///srv/archive'],
  ['file://localhost/srv', { kind: 'folder', path: '/srv' }, 'file:///srv'],
  ['file:///with%20percent', { kind: 'folder', path: '/with%20percent' }, 'file:///with%20percent'],
])('%s', (text, location, formatted) => {
  expect(parseStoreLocation(text)).toEqual(location);
  expect(formatStoreLocation(parseStoreLocation(text))).toBe(formatted);
});

test.each([
  '',
  'bucket/a',
  '/srv',
  'gs://bucket',
  's3://',
  's3:///a',
  's3://b',
  's3://bucket/../x',
  's3:/bucket/a',
  'file://srv/a',
  'file://',
])('%j is refused', (text) => {
  expect(() => parseStoreLocation(text)).toThrow(expect.objectContaining({ code: 'setting-invalid' }));
});

test.each(['s3://key:secret@bucket', 's3://key:not/secret@bucket'])(
  'credentials somebody wrote into it are not repeated: %s',
  (text) => {
    expect(() => parseStoreLocation(text)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching('key|secret|not/') }),
    );
  },
);
