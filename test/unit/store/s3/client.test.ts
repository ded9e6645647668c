import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { afterEach, expect, it, vi } from 'vitest';
import type { Settings } from '../../../../src/config/settings.ts';
import { makeClient } from '../../../../src/store/s3/client.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import { storeSettings } from '../settings.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Where a request would go, which is not sent. */
async function findHost(more: Omit<Partial<Settings>, 'store'>): Promise<string> {
  const settings = storeSettings({
    store: 's3://bucket',
    awsAccessKeyId: 'id',
    awsSecretAccessKey: 'secret',
    ...more,
  });
  const client = await makeClient(settings, () => undefined);
  let host = '';
  client.middlewareStack.add(
    () => async (args) => {
      host = (args.request as { hostname: string }).hostname;
      throw new Error('not sent');
    },
    { step: 'finalizeRequest' },
  );
  await expect(client.send(new HeadBucketCommand({ Bucket: 'bucket' }))).rejects.toThrow('not sent');
  return host;
}

it('the settings alone say which endpoint and region are asked, not a profile of AWS', async () => {
  const config = join(await makeTemporaryFolder(), 'config');
  await writeFile(
    config,
    `[profile other]
region = eu-west-3
endpoint_url = http://any.example
services = local
[services local]
s3 =
  endpoint_url = http://elsewhere.example
`,
  );
  vi.stubEnv('AWS_CONFIG_FILE', config);
  vi.stubEnv('AWS_PROFILE', 'other');
  vi.stubEnv('AWS_REGION', '');
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://variable.example');
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://variable-of-s3.example');
  expect(await findHost({})).toBe('s3.us-east-1.amazonaws.com');
  expect(await findHost({ s3Region: 'eu-north-1' })).toBe('s3.eu-north-1.amazonaws.com');
  expect(await findHost({ s3Endpoint: 'http://named.example' })).toBe('named.example');
});
