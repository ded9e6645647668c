import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { PgarcError } from '../../src/errors.ts';
import type { PgarcEvent } from '../../src/report/events.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { formatAnswer, startSts, type TestSts } from '../support/sts.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { storeSettings } from '../unit/store/settings.ts';

/** Credentials that a role is given: the store of MinIO, and an STS that hands MinIO's out. */

let minio: TestMinio;
let sts: TestSts;
const events: PgarcEvent[] = [];

beforeAll(async () => {
  minio = await startMinio({ tls: true });
  sts = await startSts(minio);
});

afterEach(() => {
  vi.unstubAllEnvs();
  sts.answer();
  sts.asked.length = 0;
  events.length = 0;
});

function open(env: Record<string, string>, patience = 20_000): Promise<ObjectStore> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const settings = storeSettings({
    store: `s3://${minio.bucket}/roles`,
    s3Endpoint: minio.endpoint,
    s3CaFile: minio.caFile,
    storeTimeout: patience,
    requestTimeout: Math.min(patience * 2, 5000),
  });
  return openStore(settings, (event) => events.push(event));
}

test('a token in a file is exchanged for the credentials of a role, once', async () => {
  const store = await open(sts.env);
  await store.put('x', Buffer.from('x'));
  expect(String(await store.get('x'))).toBe('x');
  expect(sts.asked).toEqual(['AssumeRoleWithWebIdentity']);
  expect(events.map(({ type }) => type)).toEqual(['storeRequest', 'storeRequest']);
});

test('a role of a profile is assumed', async () => {
  const config = join(await makeTemporaryFolder(), 'config');
  await writeFile(
    config,
    `[profile base]
aws_access_key_id = base
aws_secret_access_key = not-really-a-secret
[profile backup]
role_arn = arn:aws:iam::123456789012:role/backup
source_profile = base
`,
  );
  const store = await open({ ...sts.env, AWS_CONFIG_FILE: config, AWS_PROFILE: 'backup' });
  await store.put('x', Buffer.from('x'));
  expect(sts.asked).toEqual(['AssumeRole']);
});

const SECRETS = ['k3y-of-a-role', 's3cr3t-of-a-role', 't0k3n-of-a-role'];
const ANSWER = formatAnswer('AssumeRoleWithWebIdentity', SECRETS[0]!, SECRETS[1]!, SECRETS[2]!);
const REFUSAL = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no such trust</Message></Error></ErrorResponse>`;

test.each<[string, number, string, string, RegExp, boolean]>([
  ['half of an answer', 200, ANSWER.slice(0, -80), 'text/xml', /200 and no sense/, true],
  ['an answer that is an error', 500, ANSWER, 'text/xml', /500 and no sense/, true],
  ['JSON', 200, JSON.stringify({ SECRETS }), 'application/json', /200 and no sense/, true],
  ['text', 400, SECRETS.join(' '), 'text/plain', /400 and no sense/, false],
  [
    'a page',
    200,
    `<html><body>${SECRETS}</body></html>`,
    'text/html',
    /no credentials: invalid response/i,
    false,
  ],
  ['a refusal', 403, REFUSAL, 'text/xml', /403 AccessDenied \(no such trust\)/, false],
  ['silence', 0, '', '', /no credentials: .*1000 ms/, true],
])('of %s no secret is told', async (_, status, body, contentType, why, isRepeated) => {
  sts.answer(status, body, contentType);
  const store = await open(sts.env, 500);
  const error: PgarcError = await store.put('x', Buffer.from('x')).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'store-unreachable', message: expect.stringMatching(why) });
  const told = JSON.stringify([error.message, error.hint, error.details, `${error.cause}`, events]);
  for (const secret of SECRETS) expect(told).not.toContain(secret);
  if (status !== 0) expect(events.some(({ type }) => type === 'storeRetry')).toBe(isRepeated);
});
