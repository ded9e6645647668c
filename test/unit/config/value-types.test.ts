import { describe, expect, it } from 'vitest';
import {
  choice,
  duration,
  endpoint,
  etcdAddresses,
  flag,
  integer,
  list,
  size,
  storeLocation,
  timeout,
} from '../../../src/config/value-types.ts';

describe('duration', () => {
  it.each([
    ['500ms', 500],
    ['3s', 3000],
    ['1.5s', 1500],
    ['10min', 600_000],
    ['2 h', 7_200_000],
    ['14d', 1_209_600_000],
    ['0', 0],
  ])('reads %s', (written, ms) => expect(duration.parse(written)).toBe(ms));

  it.each(['', '3', '-3s', '3m', '3 seconds', 's', '1e3s', '3s4', '3constructor'])('refuses %j', (written) =>
    expect(duration.parse(written)).toBeUndefined(),
  );

  it.each([500, 3000, 90_000, 600_000, 1_209_600_000, 0])('writes %d as it reads it', (ms) =>
    expect(duration.parse(duration.format(ms))).toBe(ms),
  );

  it('keeps timers within what Node can wait', () => {
    expect(timeout(1).parse('0')).toBeUndefined();
    expect(timeout(0).parse('24d')).toBe(24 * 86_400_000);
    expect(timeout(0).parse('25d')).toBeUndefined();
  });
});

describe('size', () => {
  it('reads binary units only', () => {
    expect(size.parse('64MiB')).toBe(64 * 1024 * 1024);
    expect(size.parse('100B')).toBe(100);
    expect(size.parse('64MB')).toBeUndefined();
    expect(size.format(64 * 1024 * 1024)).toBe('64MiB');
  });
});

describe('storeLocation', () => {
  it.each([
    ['s3://bucket', 's3://bucket'],
    ['s3://bucket/', 's3://bucket'],
    ['s3://my.bucket-1//a/b//', 's3://my.bucket-1/a/b'],
    ['file:///srv/archive/', 'file:///srv/archive'],
    ['file://localhost/srv/archive', 'file:///srv/archive'],
    ['/srv/my archive', 'file:///srv/my archive'],
  ])('reads %s', (written, location) => expect(storeLocation.parse(written)).toBe(location));

  it.each([
    'bucket',
    's3://',
    's3:///prefix',
    's3://a',
    's3://bk/p',
    's3://bucket-/p',
    's3://bucket/a/../b',
    's3://bucket/.',
    'file://host/srv',
    'gs://bucket',
    'relative/folder',
  ])('refuses %s', (written) => expect(storeLocation.parse(written)).toBeUndefined());
});

describe('endpoint', () => {
  it('adds the scheme where none is written', () => {
    expect(endpoint.parse('minio:9000')).toBe('https://minio:9000');
    expect(endpoint.parse('http://10.0.0.1:9000/')).toBe('http://10.0.0.1:9000');
  });

  it.each(['ftp://host', 'http://', 'http://user:pass@host', 'https+path://host'])('refuses %s', (written) =>
    expect(endpoint.parse(written)).toBeUndefined(),
  );
});

describe('the others', () => {
  it('read what they allow', () => {
    expect(['true', 'True', 'on', '1', 'f', 'no', 'maybe'].map(flag.parse)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      undefined,
    ]);
    expect(choice('AES256', 'aws:kms').parse('aes256')).toBe('AES256');
    expect(integer(1, 65535).parse('65536')).toBeUndefined();
    expect(integer(1, 65535).parse('0x10')).toBeUndefined();
    expect(list.parse("'a:2379', b:2379,")).toEqual(['a:2379', 'b:2379']);
    expect(etcdAddresses.parse('http://a:2379,b:2379')).toEqual(['http://a:2379', 'b:2379']);
    expect(etcdAddresses.parse('a:2379,http://root:secret@b:2379')).toBeUndefined();
  });
});
