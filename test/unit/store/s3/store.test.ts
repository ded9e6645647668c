import { expect, it } from 'vitest';
import type { Settings } from '../../../../src/config/settings.ts';
import { openStore } from '../../../../src/store/open.ts';
import { storeSettings } from '../settings.ts';

async function nameOf(more: Partial<Settings>): Promise<string> {
  const credentials = { awsAccessKeyId: 'id', awsSecretAccessKey: 'not-to-be-seen' };
  const settings = storeSettings({ ...credentials, ...more, store: 's3://bucket/prefix' });
  const store = await openStore(settings, () => undefined);
  store.close();
  expect(store.location).toBe('s3://bucket/prefix');
  return store.name;
}

it('a store has another name at another endpoint or in another region, and no secret in it', async () => {
  const names = [
    await nameOf({}),
    await nameOf({ s3Region: 'eu-north-1' }),
    await nameOf({ s3Endpoint: 'https://one.example' }),
    await nameOf({ s3Endpoint: 'https://two.example' }),
    await nameOf({ s3Endpoint: 'https://two.example', s3Region: 'eu-north-1' }),
  ];
  expect(new Set(names).size).toBe(names.length);
  expect(await nameOf({ s3Endpoint: 'https://user:password@one.example/' })).toBe(names[2]);
});
