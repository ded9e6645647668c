import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Settings } from '../../../../src/config/settings.ts';
import { openStore } from '../../../../src/store/open.ts';
import type { ObjectStore } from '../../../../src/store/store.ts';
import { atEnd } from '../../../support/cleanup.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { storeSettings } from '../settings.ts';

/** The session token the store takes; it refuses all others. */
let right: string;
/** How it refuses them. */
let refusal: string;
/** Tokens of all requests. */
const asked: string[] = [];
let endpoint: string;
let folder: string;

beforeEach(async () => {
  folder = await makeTemporaryFolder();
  asked.length = 0;
  right = 'first';
  refusal = 'ExpiredToken';
  const server = createServer((request, response) => {
    const token = String(request.headers['x-amz-security-token']);
    asked.push(token);
    response.setHeader('x-amz-request-id', '1').setHeader('last-modified', new Date().toUTCString());
    request.resume().once('end', () => {
      if (token === right) response.setHeader('etag', '"1"').setHeader('content-length', 0);
      else response.statusCode = 400;
      response.end(
        token === right ? '' : `<Error><Code>${refusal}</Code><Message>${token}?</Message></Error>`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function open(env: Record<string, string>, settings: Partial<Settings> = {}): Promise<ObjectStore> {
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, '');
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const store = await openStore(
    storeSettings({ ...settings, store: 's3://bucket', s3Endpoint: endpoint }),
    () => undefined,
  );
  atEnd(() => store.close());
  return store;
}

function writeProfile(token: string): Promise<void> {
  return writeFile(
    join(folder, 'credentials'),
    `[default]\naws_access_key_id = id-${token}\naws_secret_access_key = key\naws_session_token = ${token}\n`,
  );
}

test('keys that an agent writes anew into the file of AWS are taken up when the store refuses the old ones', async () => {
  await writeProfile('first');
  const store = await open({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') });
  await store.put('x', Buffer.from('x'));
  right = 'second';
  await writeProfile('second');
  // All that are under way at the time profit from one look.
  await Promise.all(['a', 'b', 'c'].map((key) => store.put(key, Buffer.from(key))));
  await store.put('y', Buffer.from('y'));
  expect(asked.slice(0, 1)).toEqual(['first']);
  expect(asked.at(-1)).toBe('second');
  expect(asked.filter((token) => token === 'second')).toHaveLength(4);
});

test.each(['ExpiredToken', 'InvalidAccessKeyId', 'SignatureDoesNotMatch'])(
  'a token in a file of its own is read again after %s',
  async (code) => {
    const file = join(folder, 'token');
    await writeFile(file, 'first\n');
    const secrets = { awsAccessKeyId: 'id', awsSecretAccessKey: 'key', awsSessionToken: 'first' };
    const store = await open({ AWS_SESSION_TOKEN_FILE: file }, secrets);
    await store.put('x', Buffer.from('x'));
    [right, refusal] = ['second', code];
    await writeFile(file, 'second\n');
    await store.put('x', Buffer.from('x'));
    expect(asked).toEqual(['first', 'first', 'second']);
    // What came from the file is as secret as what it replaces; the next look has to wait.
    right = 'third';
    const error = await store.put('x', Buffer.from('x')).catch(String);
    expect(error).toContain(code);
    expect(error).not.toContain('second');
    expect(asked).toHaveLength(4);
  },
);

test('an answer without words, as HEAD has it, is understood', async () => {
  await writeProfile('first');
  const store = await open({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') });
  await store.put('x', Buffer.from('x'));
  right = 'second';
  await writeProfile('second');
  expect(await store.head('x')).toMatchObject({ size: 0 });
  expect(asked).toEqual(['first', 'first', 'second']);
});

test('a token from a source that is stronger than the file stays', async () => {
  const file = join(folder, 'token');
  await writeFile(file, 'weaker');
  const secrets = { awsAccessKeyId: 'id', awsSecretAccessKey: 'key', awsSessionToken: 'first' };
  const store = await open({ AWS_SESSION_TOKEN_FILE: file }, secrets);
  right = 'second';
  await expect(store.put('x', Buffer.from('x'))).rejects.toThrow('ExpiredToken');
  expect(asked).toEqual(['first']);
});

test('credentials that are wrong and stay wrong are sent once', async () => {
  await writeProfile('wrong');
  refusal = 'InvalidAccessKeyId';
  const store = await open({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') });
  await expect(store.put('x', Buffer.from('x'))).rejects.toThrow('InvalidAccessKeyId');
  expect(asked).toEqual(['wrong']);
});

test('access that is denied sends nobody to look for other credentials', async () => {
  await writeProfile('first');
  const store = await open({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') });
  await store.put('x', Buffer.from('x'));
  [right, refusal] = ['second', 'AccessDenied'];
  await writeProfile('second');
  await expect(store.put('x', Buffer.from('x'))).rejects.toThrow('AccessDenied');
  expect(asked).toEqual(['first', 'first']);
});
