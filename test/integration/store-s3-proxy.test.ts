import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Settings } from '../../src/config/settings.ts';
import type { PgarcError } from '../../src/errors.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { atEnd } from '../support/cleanup.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { startSts } from '../support/sts.ts';
import { waitFor } from '../support/wait.ts';
import { chunks } from '../unit/store/contract.ts';
import { storeSettings } from '../unit/store/settings.ts';

/** A store that only a proxy leads to: its name is known nowhere. */

let minio: TestMinio;
let plain: TestMinio;
let proxy: ConnectProxy;

beforeAll(async () => {
  minio = await startMinio({ tls: true });
  plain = await startMinio();
});

beforeEach(async () => {
  proxy = await startConnectProxy(minio.endpoint);
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function open(
  env: Record<string, string>,
  endpoint: string,
  more: Omit<Partial<Settings>, 'store'> = {},
): Promise<ObjectStore> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const settings = storeSettings({
    store: `s3://${minio.bucket}/proxied`,
    s3Endpoint: endpoint,
    s3CaFile: minio.caFile,
    awsAccessKeyId: minio.accessKey,
    awsSecretAccessKey: minio.secretKey,
    ...more,
  });
  const store = await openStore(settings, () => undefined);
  atEnd(() => store.close());
  return store;
}

const IMPATIENT = { storeTimeout: 400, requestTimeout: 400 };

test('a store is reached by a proxy over TLS, with connections that are used again', async () => {
  const store = await open({ HTTPS_PROXY: `http://joe:p4ss@${proxy.address}` }, 'https://store.example:9443');
  const body = Buffer.alloc(20_000_000, 'proxied ');
  await store.putStream('x', chunks(body));
  expect((await store.get('x'))?.equals(body)).toBe(true);
  const before = proxy.asked.length;
  expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT store.example:9443 joe:p4ss']));
  await store.get('x');
  expect(proxy.asked).toHaveLength(before);
});

test('so is the service that hands out credentials', async () => {
  const sts = await startSts(minio);
  const toSts = await startConnectProxy(sts.endpoint);
  const env = { ...sts.env, AWS_ENDPOINT_URL_STS: 'https://store.example', HTTPS_PROXY: toSts.address };
  const store = await open(env, minio.endpoint, { awsAccessKeyId: undefined, awsSecretAccessKey: undefined });
  await store.put('x', Buffer.from('x'));
  expect(sts.asked).toEqual(['AssumeRoleWithWebIdentity']);
  expect(toSts.asked).toEqual(['CONNECT store.example:443']);
});

test('plain HTTP goes through one as well', async () => {
  const own = await startConnectProxy(plain.endpoint);
  const store = await open({ HTTP_PROXY: `http://joe:p4ss@${own.address}` }, 'http://store.example:9000');
  await store.put('x', Buffer.from('x'));
  expect(String(await store.get('x'))).toBe('x');
  const keys = await Array.fromAsync(store.list(''), ({ key }) => key);
  expect(keys).toEqual(['x']);
  expect(own.asked[0]).toMatch(/^PUT http:\/\/store\.example:9000\/backups\/proxied\/x.* joe:p4ss$/);
});

test('a store on this host is reached without one', async () => {
  const store = await open({ HTTPS_PROXY: `http://${proxy.address}` }, minio.endpoint);
  await store.put('x', Buffer.from('x'));
  expect(proxy.asked).toEqual([]);
});

test.each([
  [403, false],
  [407, false],
  [503, true],
])('a proxy that answers %d is told, without its password', async (status, isRetryable) => {
  proxy.refuse(status);
  const store = await open(
    { HTTPS_PROXY: `http://joe:p4ss@${proxy.address}` },
    'https://store.example',
    IMPATIENT,
  );
  const error: PgarcError = await store.get('x').then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'store-unreachable', retryable: isRetryable });
  expect(error.message).toContain(`${status} (the proxy http://${proxy.address} of HTTPS_PROXY`);
  expect(error.hint).toContain('proxy');
  const told = JSON.stringify([error.message, error.hint, error.details, `${error.cause}`]);
  for (const secret of ['p4ss', Buffer.from('joe:p4ss').toString('base64')])
    expect(told).not.toContain(secret);
  await waitFor(() => proxy.open.size === 0, { what: 'the connections to be closed', timeout: 10_000 });
});

test('a proxy that is not there, or says nothing, is one that may come back', async () => {
  const gone = await open({ HTTPS_PROXY: 'http://127.0.0.1:1' }, 'https://store.example', IMPATIENT);
  await expect(gone.get('x')).rejects.toMatchObject({
    retryable: true,
    message: expect.stringMatching(/ECONNREFUSED.*\(proxy http:\/\/127\.0\.0\.1:1 of HTTPS_PROXY\)/),
  });
  proxy.refuse(0);
  const silent = await open({ HTTPS_PROXY: `http://${proxy.address}` }, 'https://store.example', IMPATIENT);
  await expect(silent.get('x')).rejects.toMatchObject({ retryable: true });
  silent.close();
  await waitFor(() => proxy.open.size === 0, { what: 'the connections to be closed', timeout: 10_000 });
});
