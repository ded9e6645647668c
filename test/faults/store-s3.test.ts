import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Settings } from '../../src/config/settings.ts';
import { isPgarcError, type PgarcError } from '../../src/errors.ts';
import type { PgarcEvent } from '../../src/report/events.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { type FaultProxy, type FaultRule, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { waitFor } from '../support/wait.ts';
import { chunks, collect, keysOf } from '../unit/store/contract.ts';
import { storeSettings } from '../unit/store/settings.ts';

const MIB = 1024 * 1024;
const HTML = { body: '<!DOCTYPE html><html><title>Welcome</title>Log in</html>', contentType: 'text/html' };

let minio: TestMinio;
let proxy: FaultProxy;
let events: PgarcEvent[] = [];
let count = 0;

beforeAll(async () => {
  minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
});

afterEach(() => {
  proxy.reset();
  events = [];
});

function open(settings: Partial<Settings & { store: string }> = {}): Promise<ObjectStore> {
  return openStore(
    storeSettings({
      store: `s3://${minio.bucket}/faults/${count++}`,
      s3Endpoint: proxy.endpoint,
      awsAccessKeyId: minio.accessKey,
      awsSecretAccessKey: minio.secretKey,
      requestTimeout: 10_000,
      storeTimeout: 20_000,
      ...settings,
    }),
    // Requests are counted for metrics, one by one; here only what a user is told counts.
    (event) => {
      if (event.type !== 'storeRequest') events.push(event);
    },
  );
}

function retries(): number {
  return events.filter(({ type }) => type === 'storeRetry').length;
}

/** So many requests were spoilt, and each of them was repeated. */
function expectRepeats(count: number, fault: FaultRule['fault']): void {
  expect(proxy.requests.filter(({ fault: met }) => met === fault.kind)).toHaveLength(count);
  // With a short deadline, a machine under load adds stalls of its own.
  if (fault.kind === 'stall') expect(retries()).toBeGreaterThanOrEqual(count);
  else expect(retries()).toBe(count);
}

/** Keys of unfinished multipart uploads in the bucket. */
async function uploads(): Promise<(string | undefined)[]> {
  const { Uploads = [] } = await minio.client.send(new ListMultipartUploadsCommand({ Bucket: minio.bucket }));
  return Uploads.map(({ Key }) => Key);
}

async function failure(promise: Promise<unknown>): Promise<PgarcError> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!isPgarcError(error)) throw error;
  return error;
}

const passing: [string, FaultRule['fault']][] = [
  ['503', { kind: 'respond', status: 503, body: s3Error('SlowDown', 'Please reduce your request rate.') }],
  ['429 without a body', { kind: 'respond', status: 429 }],
  ['500 in HTML', { kind: 'respond', status: 500, ...HTML }],
  ['404 in HTML', { kind: 'respond', status: 404, ...HTML }],
  ['200 in HTML', { kind: 'respond', status: 200, ...HTML }],
  [
    '200 with an error in XML',
    { kind: 'respond', status: 200, body: s3Error('InternalError', 'We failed.') },
  ],
  ['200 and nothing', { kind: 'respond', status: 200 }],
  ['a reset', { kind: 'reset-request' }],
  ['a lost answer', { kind: 'lose-answer' }],
  ['a stall', { kind: 'stall' }],
];

describe.each(passing)('%s, once, then as it should be', (_, fault) => {
  const settings = fault.kind === 'stall' ? { requestTimeout: 1_000 } : {};
  const once = (method: string): void => {
    proxy.add({ method, times: 1, fault });
  };

  test('put', async () => {
    const store = await open(settings);
    once('PUT');
    await store.put('x', Buffer.from('body'));
    expectRepeats(1, fault);
    expect(String(await store.get('x'))).toBe('body');
  });

  test('putStream of several parts', async () => {
    const store = await open(settings);
    for (const method of ['PUT', 'POST']) once(method);
    proxy.add({ method: 'POST', path: /uploadId=/, times: 1, fault });
    const body = randomBytes(20 * MIB);
    expect(await store.putStream('x', chunks(body))).toBe(body.length);
    expectRepeats(3, fault);
    const begun = proxy.requests.filter(({ method, path }) => method === 'POST' && /[?&]uploads/.test(path));
    expect((await store.get('x'))?.equals(body)).toBe(true);
    expect(
      (await uploads()).filter((key) => key?.startsWith(store.location.split('/').slice(3).join('/'))),
    ).toHaveLength(
      // A lost answer leaves an upload whose id nobody knows.
      fault.kind === 'lose-answer' || fault.kind === 'stall' ? begun.length - 1 : 0,
    );
  });

  test('get, head, list and delete', async () => {
    const store = await open(settings);
    await store.put('x', Buffer.from('body'));
    once('GET');
    expect(String(await store.get('x'))).toBe('body');
    once('GET');
    expect(await store.get('missing')).toBeUndefined();
    once('GET');
    expect(await keysOf(store.list(''))).toEqual(['x']);
    expectRepeats(3, fault);
    once('HEAD');
    expect((await store.head('x'))?.size).toBe(4);
    await store.put('y', Buffer.from('body'));
    once('POST');
    await store.delete(['x', 'y']);
    expect(await keysOf(store.list(''))).toEqual([]);
  });
});

describe('an answer that breaks off', () => {
  const body = randomBytes(4 * MIB);
  const faults: FaultRule['fault'][] = [
    { kind: 'reset-answer', afterBytes: 1_000_000 },
    { kind: 'truncate', afterBytes: 1_000_000 },
    { kind: 'stall', afterBytes: 1_000_000 },
  ];

  test.each(faults)('is resumed where it stopped: $kind', async (fault) => {
    const store = await open(fault.kind === 'stall' ? { requestTimeout: 1_000 } : {});
    await store.put('x', body);
    await store.putStream('y', chunks(body));
    for (const key of ['x', 'y']) {
      proxy.reset();
      proxy.add({ method: 'GET', times: 3, fault });
      const stream = await store.getStream(key);
      expect((await collect(stream!.body)).equals(body)).toBe(true);
      const asked = proxy.requests.filter(({ method }) => method === 'GET');
      const ranges = asked.map(({ headers }) => headers.range);
      expect(asked.filter(({ fault: met }) => met === fault.kind)).toHaveLength(3);
      // With a short deadline, a machine under load adds stalls of its own.
      if (fault.kind !== 'stall') expect(ranges).toHaveLength(4);
      expect(ranges[0]).toBeUndefined();
      expect(ranges[3]).toMatch(/^bytes=[1-9]\d*-$/);
    }
    proxy.add({ method: 'GET', times: 2, fault });
    expect((await store.get('x'))?.equals(body)).toBe(true);
  });

  test('is resumed of the same version only', async () => {
    const store = await open();
    await store.put('x', body);
    proxy.add({ method: 'GET', times: 1, fault: { kind: 'reset-answer', afterBytes: 1_000_000 } });
    const stream = await store.getStream('x');
    await store.put('x', randomBytes(4 * MIB));
    const error = await failure(collect(stream!.body));
    expect(error.code).toBe('object-damaged');
    expect(error.message).toContain('replaced');
  });

  test('in a listing never ends the listing', async () => {
    const store = await open({ requestTimeout: 1_000 });
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.put(`k${i}`, Buffer.from('x'))));
    for (const kind of ['reset-answer', 'truncate', 'shorten', 'stall'] as const) {
      proxy.reset();
      proxy.add({ method: 'GET', times: 1, fault: { kind, afterBytes: 2_000 } });
      expect(await keysOf(store.list('')), kind).toHaveLength(30);
    }
  });

  test('too slow for a total deadline is well when it moves', async () => {
    const requestTimeout = 4_000;
    const store = await open({ requestTimeout });
    await store.put('x', body);
    const stream = await store.getStream('x');
    let bytes = 0;
    for await (const chunk of stream!.body) {
      bytes += chunk.length;
      // The reader takes its time, more than the deadline as a whole.
      const pause = (1.3 * requestTimeout * chunk.length) / body.length;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    expect(bytes).toBe(body.length);
    expect(retries()).toBe(0);
  });

  test('opened and read late is opened again', async () => {
    const store = await open({ requestTimeout: 1_000 });
    await store.put('x', body);
    const stream = await store.getStream('x');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await collect(stream!.body)).equals(body)).toBe(true);
    expect(proxy.requests.filter(({ method }) => method === 'GET').length).toBeGreaterThan(1);
  });
});

describe('damage', () => {
  test('on the way up is refused by the store and sent again', async () => {
    const store = await open();
    const body = randomBytes(MIB);
    proxy.add({ method: 'PUT', times: 1, fault: { kind: 'flip-request', offset: 5_000 } });
    await store.put('x', body);
    expect(retries()).toBe(1);
    expect((await store.get('x'))?.equals(body)).toBe(true);
  });

  test('of a part on the way up is refused and sent again', async () => {
    const store = await open();
    const body = randomBytes(20 * MIB);
    proxy.add({
      method: 'PUT',
      path: /partNumber=2/,
      times: 1,
      fault: { kind: 'flip-request', offset: 5_000 },
    });
    await store.putStream('x', chunks(body));
    expect(retries()).toBe(1);
    expect((await store.get('x'))?.equals(body)).toBe(true);
  });

  test('on the way down is noticed, and so is an end that looks right', async () => {
    const store = await open();
    await store.put('x', randomBytes(MIB));
    for (const fault of [
      { kind: 'flip-answer', offset: 5_000 },
      { kind: 'shorten', afterBytes: 5_000 },
      { kind: 'shorten', afterBytes: 0 },
    ] as const) {
      proxy.reset();
      proxy.add({ method: 'GET', fault });
      expect((await failure(store.get('x'))).code).toBe('object-damaged');
      const reading = store.getStream('x').then((stream) => collect(stream!.body));
      expect((await failure(reading)).code).toBe('object-damaged');
    }
  });
});

describe('a store that stays away', () => {
  const final: [string, FaultRule['fault'], RegExp][] = [
    ['HTML', { kind: 'respond', status: 200, ...HTML }, /HTML instead of XML: Welcome/],
    ['404 in HTML', { kind: 'respond', status: 404, ...HTML }, /404 \(HTML instead of XML: Welcome\)/],
    [
      '500',
      { kind: 'respond', status: 500, body: s3Error('InternalError', 'We failed.') },
      /500 InternalError \(We failed\.\)/,
    ],
    ['stalls', { kind: 'stall' }, /nothing moved for/],
    ['resets', { kind: 'reset-request' }, /socket hang up|ECONNRESET/],
  ];

  test.each(final)(
    '%s: is retried, then told with endpoint, bucket and its words',
    async (_, fault, words) => {
      const store = await open({ storeTimeout: 3_000, requestTimeout: fault.kind === 'stall' ? 500 : 5_000 });
      proxy.add({ fault });
      const begin = performance.now();
      const errors = await Promise.all(
        [
          store.get('x'),
          store.getStream('x'),
          store.head('x'),
          keysOf(store.list('')),
          store.put('x', Buffer.from('x')),
          store.putIfAbsent('x', Buffer.from('x')),
          store.putStream('x', chunks(randomBytes(9 * MIB))),
          store.delete(['x', 'y']),
        ].map(failure),
      );
      for (const error of errors) {
        expect(error).toMatchObject({ code: 'store-unreachable', exitCode: 7, retryable: true });
        expect(error.message).toContain(proxy.endpoint);
        expect(error.message).toContain(`bucket ${minio.bucket}`);
        // HEAD has no body to take words from.
        if (!error.message.includes('HeadObject')) expect(error.message).toMatch(words);
      }
      expect(retries()).toBeGreaterThanOrEqual(errors.length);
      // Nothing else ends these.
      expect(performance.now() - begin).toBeLessThan(30_000);
    },
  );

  test('nobody listens, or the name is unknown', async () => {
    for (const s3Endpoint of ['http://127.0.0.1:1', 'http://store.invalid:9000']) {
      // A name server that does not answer is given up after ten seconds.
      const store = await open({ s3Endpoint, storeTimeout: 2_000, requestTimeout: 60_000 });
      const error = await failure(store.get('x'));
      expect(error).toMatchObject({ code: 'store-unreachable', retryable: true });
      expect(error.message).toMatch(/ECONNREFUSED|ENOTFOUND|EAI_AGAIN/);
      expect(error.message).toContain(s3Endpoint);
      expect(retries()).toBeGreaterThan(0);
    }
  });
});

describe('what no repeat can help is told at once', () => {
  test('wrong credentials, and they are not repeated', async () => {
    const store = await open({ awsSecretAccessKey: 'a-secret-that-is-wrong' });
    for (const act of [
      () => store.get('x'),
      () => keysOf(store.list('')),
      () => store.put('x', Buffer.from('x')),
    ]) {
      const error = await failure(act());
      expect(error).toMatchObject({ code: 'store-unreachable', retryable: false });
      expect(error.message).toContain('403 SignatureDoesNotMatch');
      expect(error.message).toContain('request ');
      expect(JSON.stringify([error.message, error.hint, error.details, error.cause])).not.toContain(
        'a-secret',
      );
    }
    expect(events).toEqual([]);
  });

  test('a bucket that does not exist is never "no such object"', async () => {
    const store = await open({ store: 's3://no-such-bucket/x' });
    for (const act of [
      () => store.get('x'),
      () => store.getStream('x'),
      () => store.head('x'),
      () => keysOf(store.list('')),
      () => store.putIfAbsent('x', Buffer.from('x')),
      () => store.delete(['x', 'y']),
    ]) {
      const error = await failure(act());
      expect(error).toMatchObject({ code: 'store-unreachable', retryable: false });
      expect(error.message).toContain('NoSuchBucket');
      expect(error.message).toContain('no-such-bucket');
    }
    expect(events).toEqual([]);
  });

  test('a denial, a wrong region, a TLS port that is none', async () => {
    const store = await open();
    proxy.add({
      times: 1,
      fault: { kind: 'respond', status: 403, body: s3Error('AccessDenied', 'Access Denied.') },
    });
    expect(await failure(store.get('x'))).toMatchObject({ retryable: false, message: /403 AccessDenied/ });
    proxy.add({
      times: 1,
      fault: { kind: 'respond', status: 301, body: s3Error('PermanentRedirect', 'Elsewhere.') },
    });
    expect(await failure(store.get('x'))).toMatchObject({
      retryable: false,
      message: /301 PermanentRedirect/,
    });
    const tls = await open({ s3Endpoint: proxy.endpoint.replace('http:', 'https:') });
    expect(await failure(tls.get('x'))).toMatchObject({ code: 'store-unreachable', retryable: false });
    expect(events).toEqual([]);
  });
});

describe('conditional creation', () => {
  test('a conflict is repeated', async () => {
    const store = await open();
    const body = s3Error('ConditionalRequestConflict', 'Try again.');
    proxy.add({ method: 'PUT', times: 2, fault: { kind: 'respond', status: 409, body } });
    expect(await store.putIfAbsent('x', Buffer.from('x'))).toBe('stored');
    expect(retries()).toBe(2);
  });

  test('a store that does not know the condition is asked first, and that is said once', async () => {
    const store = await open();
    const body = s3Error(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented.',
    );
    const refuse = () =>
      proxy.add({ method: 'PUT', times: 1, fault: { kind: 'respond', status: 501, body } });
    refuse();
    expect(await store.putIfAbsent('x', Buffer.from('first'))).toBe('stored');
    expect(await store.putIfAbsent('x', Buffer.from('second'))).toBe('exists');
    expect(await store.putIfAbsent('y', Buffer.from('second'))).toBe('stored');
    expect(await store.putStreamIfAbsent('x', chunks(randomBytes(9 * MIB)))).toBe('exists');
    expect(String(await store.get('x'))).toBe('first');
    expect(events.map(({ type }) => type)).toEqual(['warning']);
    expect(proxy.requests.filter(({ headers }) => headers['if-none-match'] !== undefined)).toHaveLength(1);
  });

  test('a 412 that is not the store’s is not "exists"', async () => {
    const store = await open();
    proxy.add({ method: 'PUT', fault: { kind: 'respond', status: 412, ...HTML } });
    expect(await failure(store.putIfAbsent('x', Buffer.from('x')))).toMatchObject({
      code: 'store-unreachable',
    });
  });
});

describe('an abort', () => {
  test('in the middle of parts leaves neither object nor upload', async () => {
    const store = await open();
    const controller = new AbortController();
    proxy.add({ method: 'PUT', path: /partNumber=2/, fault: { kind: 'stall' } });
    const upload = store.putStream('x', chunks(randomBytes(30 * MIB)), { signal: controller.signal });
    const outcome = expect(upload).rejects.toThrow('interrupted');
    await waitFor(() => proxy.requests.some(({ path }) => path.includes('partNumber=2')));
    controller.abort(new Error('interrupted'));
    await outcome;
    expect(await store.head('x')).toBeUndefined();
    expect(await uploads()).not.toContain(`${store.location.split('/').slice(3).join('/')}/x`);
  });

  test('of a put on its way stores nothing', async () => {
    const store = await open();
    const controller = new AbortController();
    proxy.add({ method: 'PUT', fault: { kind: 'stall' } });
    const put = store.put('x', randomBytes(MIB), { signal: controller.signal });
    const outcome = expect(put).rejects.toThrow('interrupted');
    await waitFor(() => proxy.requests.length > 0);
    controller.abort(new Error('interrupted'));
    await outcome;
  });

  test('that the store refuses is repeated, then told', async () => {
    const store = await open();
    proxy.add({ method: 'DELETE', times: 2, fault: { kind: 'respond', status: 503 } });
    async function* failing() {
      yield randomBytes(20 * MIB);
      throw new Error('the source broke');
    }
    await expect(store.putStream('x', failing())).rejects.toThrow('the source broke');
    expect(retries()).toBe(2);
    proxy.add({
      method: 'DELETE',
      fault: { kind: 'respond', status: 403, body: s3Error('AccessDenied', 'No.') },
    });
    await expect(store.putStream('x', failing())).rejects.toThrow('the source broke');
    expect(events.at(-1)).toMatchObject({ type: 'warning', message: /unfinished upload of x stays/ });
    proxy.reset();
    expect(await store.sweep(new Date(Date.now() - 60_000))).toBe(0);
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(1);
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(0);
  });

  test('sweeps only under its own prefix', async () => {
    const one = await open();
    const two = await open();
    proxy.add({
      method: 'DELETE',
      fault: { kind: 'respond', status: 403, body: s3Error('AccessDenied', 'No.') },
    });
    async function* failing() {
      yield randomBytes(20 * MIB);
      throw new Error('the source broke');
    }
    await expect(one.putStream('x', failing())).rejects.toThrow();
    proxy.reset();
    expect(await two.sweep(new Date(Date.now() + 60_000))).toBe(0);
    expect(await one.sweep(new Date(Date.now() + 60_000))).toBe(1);
  });
});

describe('several keys at once', () => {
  test('a key that stays is an error, one that fails for a while is repeated', async () => {
    const store = await open();
    const prefix = store.location.split('/').slice(3).join('/');
    for (const key of ['a', 'b']) await store.put(key, Buffer.from(key));
    const answer = (code: string) =>
      `<?xml version="1.0"?><DeleteResult><Error><Key>${prefix}/b</Key><Code>${code}</Code><Message>No.</Message></Error></DeleteResult>`;
    proxy.add({
      method: 'POST',
      times: 1,
      fault: { kind: 'respond', status: 200, body: answer('AccessDenied') },
    });
    const error = await failure(store.delete(['a', 'b']));
    expect(error).toMatchObject({ code: 'store-unreachable', retryable: false });
    expect(error.message).toContain('the first is b: AccessDenied (No.)');
    proxy.add({
      method: 'POST',
      times: 1,
      fault: { kind: 'respond', status: 200, body: answer('InternalError') },
    });
    await store.delete(['a', 'b']);
    expect(retries()).toBe(1);
  });

  test('a store without DeleteObjects is asked one by one', async () => {
    const store = await open();
    for (const key of ['a', 'b', 'c']) await store.put(key, Buffer.from(key));
    const body = s3Error('NotImplemented', 'No.');
    proxy.add({ method: 'POST', fault: { kind: 'respond', status: 501, body } });
    await store.delete(['a', 'b', 'c', 'd']);
    expect(await keysOf(store.list(''))).toEqual([]);
  });
});

describe.each([false, true])('MinIO with tls %s', (tls) => {
  let own: TestMinio;

  beforeAll(async () => {
    own = await startMinio({ tls });
  });

  const openOwn = () => open({ storeTimeout: 60_000, s3Endpoint: own.endpoint, s3CaFile: own.caFile });

  test('killed and started again in the middle of it all', async () => {
    const store = await openOwn();
    const body = randomBytes(24 * MIB);
    await store.put('before', body);
    const stream = await store.getStream('before');
    let restart: Promise<void> | undefined;
    const slow = (async () => {
      const parts: Buffer[] = [];
      for await (const chunk of stream!.body) {
        parts.push(Buffer.from(chunk));
        if (parts.length === 3) {
          await own.kill();
          restart = waitFor(() => retries() > 0).then(() => own.start());
        }
      }
      return Buffer.concat(parts);
    })();
    async function* trickle() {
      for (let offset = 0; offset < body.length; offset += MIB) {
        yield body.subarray(offset, offset + MIB);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    await store.putStream('during', trickle());
    expect((await slow).equals(body)).toBe(true);
    await restart;
    expect((await store.get('during'))?.equals(body)).toBe(true);
    store.close();
  });

  test('stopped while connections are idle', async () => {
    const store = await openOwn();
    await Promise.all(Array.from({ length: 5 }, (_, i) => store.put(`k${i}`, Buffer.from('x'))));
    await own.stop();
    await own.start();
    events = [];
    await Promise.all(Array.from({ length: 5 }, (_, i) => store.put(`k${i}`, Buffer.from('y'))));
    expect(events).toEqual([]);
    store.close();
  });

  test('a slow reader and many readers at once', async () => {
    const store = await openOwn();
    const bodies = Array.from({ length: 6 }, () => randomBytes(3 * MIB));
    await Promise.all(bodies.map((body, i) => store.put(`b${i}`, body)));
    await Promise.all(
      bodies.map(async (body, i) => {
        const stream = await store.getStream(`b${i}`);
        const parts: Buffer[] = [];
        for await (const chunk of stream!.body) {
          parts.push(Buffer.from(chunk));
          await new Promise((resolve) => setTimeout(resolve, i));
        }
        expect(Buffer.concat(parts).equals(body)).toBe(true);
      }),
    );
    store.close();
  });

  test('with a certificate nobody vouches for is refused at once', async () => {
    if (!tls) return;
    const store = await open({ s3Endpoint: own.endpoint });
    const error = await failure(store.get('x'));
    expect(error).toMatchObject({ code: 'store-unreachable', retryable: false, hint: /PGARC_S3_CA_FILE/ });
    expect(events).toEqual([]);
  });
});

function s3Error(code: string, message: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><Key>x</Key></Error>`;
}
