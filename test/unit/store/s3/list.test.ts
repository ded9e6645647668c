import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { openStore } from '../../../../src/store/open.ts';
import { atEnd } from '../../../support/cleanup.ts';
import { storeSettings } from '../settings.ts';

/** A store of endless listings, with as many objects a page as it is asked for. */
async function openEndless() {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://any');
    asked.push(searchParams.get('max-keys') ?? 'all');
    const page = Array.from(
      { length: Number(searchParams.get('max-keys') ?? 1000) },
      (_, i) =>
        `<Contents><Key>prefix/wal_005/${asked.length}-${i}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><Size>1</Size></Contents>`,
    );
    response.setHeader('content-type', 'application/xml');
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${asked.length}</NextContinuationToken>${page.join('')}</ListBucketResult>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const settings = storeSettings({
    store: 's3://bucket/prefix',
    s3Endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    awsAccessKeyId: 'id',
    awsSecretAccessKey: 'secret',
  });
  const store = await openStore(settings, () => undefined);
  atEnd(() => store.close());
  return { asked, store };
}

it('a listing with a limit asks for no more than that, and for no next page', async () => {
  const { asked, store } = await openEndless();
  for (const [limit, pages] of [
    [1, ['1']],
    [999, ['999']],
    [1500, ['all', 'all']],
  ] as const) {
    asked.length = 0;
    let count = 0;
    for await (const _ of store.list('wal_005/', { limit })) count += 1;
    expect({ count, asked }).toEqual({ count: limit, asked: pages });
  }
});
