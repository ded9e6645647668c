import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Settings } from '../../src/config/settings.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { chunks } from '../unit/store/contract.ts';
import { storeSettings } from '../unit/store/settings.ts';

let minio: TestMinio;
let proxy: FaultProxy;
let count = 0;

beforeAll(async () => {
  minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
});

afterEach(() => {
  proxy.reset();
  vi.unstubAllEnvs();
});

function open(settings: Partial<Settings> = {}): Promise<ObjectStore> {
  const credentials = { awsAccessKeyId: minio.accessKey, awsSecretAccessKey: minio.secretKey };
  const store = `s3://${minio.bucket}/settings/${count++}`;
  return openStore(
    storeSettings({ s3Endpoint: proxy.endpoint, ...credentials, ...settings, store }),
    () => undefined,
  );
}

test('uploads carry a checksum, an unsigned payload and no Expect', async () => {
  const store = await open();
  await store.put('x', Buffer.from('123456789'));
  await store.putStream('y', chunks(Buffer.alloc(9_000_000)));
  const uploads = proxy.requests.filter(({ method }) => method === 'PUT');
  expect(uploads).toHaveLength(3);
  for (const { headers } of uploads) {
    expect(headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
    expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-checksum-crc32/);
    expect(headers.expect).toBeUndefined();
    expect(headers['transfer-encoding']).toBeUndefined();
  }
  // The check value of CRC-32 (ISO-HDLC): cbf43926.
  expect(uploads[0]!.headers['x-amz-checksum-crc32']).toBe(Buffer.from('cbf43926', 'hex').toString('base64'));
});

test('a stream that is expected to get huge goes up in larger parts', async () => {
  const store = await open();
  await store.putStream('x', chunks(Buffer.alloc(20 * 2 ** 20)), { expected: 100 * 2 ** 30 });
  const sizes = proxy.requests.flatMap(({ method, headers }) =>
    method === 'PUT' ? Number(headers['content-length']) : [],
  );
  expect(sizes.sort()).toEqual([12 * 2 ** 20, 8 * 2 ** 20]);
});

test('a store that is known to ignore If-None-Match is asked first whether there is an object', async () => {
  const store = await open();
  store.knowsCondition = false;
  expect(await store.putIfAbsent('x', Buffer.from('x'))).toBe('stored');
  expect(await store.putIfAbsent('x', Buffer.from('y'))).toBe('exists');
  expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'PUT', 'GET']);
  expect(proxy.requests[1]!.headers['if-none-match']).toBeUndefined();
  expect(String(await store.get('x'))).toBe('x');
});

test('a listing of which little is wanted is one request for so much', async () => {
  const store = await open();
  for (const key of ['a', 'b', 'c']) await store.put(key, Buffer.from(key));
  for (const limit of [1, 2]) {
    proxy.reset();
    const found = await Array.fromAsync(store.list('', { limit }));
    expect(found.map(({ key }) => key)).toEqual(['a', 'b'].slice(0, limit));
    expect(proxy.requests.map(({ path }) => path)).toEqual([
      expect.stringContaining(`list-type=2&max-keys=${limit}&`),
    ]);
  }
  expect(await Array.fromAsync(store.list('', { limit: 5000 }))).toHaveLength(3);
});

test('storage class and encryption go with every new object', async () => {
  const store = await open({
    s3StorageClass: 'REDUCED_REDUNDANCY',
    s3Sse: 'aws:kms',
    s3SseKmsKeyId: 'a-key',
  });
  // MinIO has no KMS here; what is asked of it counts.
  proxy.add({ fault: { kind: 'respond', status: 403 } });
  await expect(store.put('x', Buffer.from('x'))).rejects.toThrow('403');
  await expect(store.putIfAbsent('x', Buffer.from('x'))).rejects.toThrow('403');
  await expect(store.putStream('x', chunks(Buffer.alloc(9_000_000)))).rejects.toThrow('403');
  expect(proxy.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'POST']);
  for (const { headers } of proxy.requests) {
    expect(headers['x-amz-storage-class']).toBe('REDUCED_REDUNDANCY');
    expect(headers['x-amz-server-side-encryption']).toBe('aws:kms');
    expect(headers['x-amz-server-side-encryption-aws-kms-key-id']).toBe('a-key');
  }
});

test('a storage class the store knows is kept', async () => {
  const store = await open({ s3StorageClass: 'REDUCED_REDUNDANCY' });
  await store.put('x', Buffer.from('x'));
  expect(String(await store.get('x'))).toBe('x');
});

test('without credentials of its own it takes those of the default chain', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', minio.accessKey);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', minio.secretKey);
  const store = await open({ awsAccessKeyId: undefined, awsSecretAccessKey: undefined });
  await store.put('x', Buffer.from('x'));
  expect(String(await store.get('x'))).toBe('x');
});

test('no credentials anywhere are told at once', async () => {
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
  const store = await open({ awsAccessKeyId: undefined, awsSecretAccessKey: undefined });
  await expect(store.get('x')).rejects.toMatchObject({
    code: 'store-unreachable',
    retryable: false,
    hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
  });
});

test('half of the credentials, or a CA file that is none, is refused', async () => {
  await expect(open({ awsSecretAccessKey: undefined })).rejects.toMatchObject({ code: 'setting-invalid' });
  await expect(open({ s3CaFile: '/nonexistent.pem' })).rejects.toMatchObject({ code: 'setting-invalid' });
  await expect(open({ s3CaFile: import.meta.filename })).rejects.toMatchObject({ code: 'setting-invalid' });
});
