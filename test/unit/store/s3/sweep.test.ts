import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { openStore } from '../../../../src/store/open.ts';
import { atEnd } from '../../../support/cleanup.ts';
import { storeSettings } from '../settings.ts';

/** Sweeps in a store whose listings of uploads are empty, not the last, and end with these markers. */
async function sweepThrough(markers: string): Promise<{ asked: string[]; swept: Promise<number> }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/xml');
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?>\n<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>${markers}</ListMultipartUploadsResult>`,
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
  return { asked, swept: store.sweep(new Date()) };
}

it.each([
  ['', 1],
  ['<NextKeyMarker>prefix/a</NextKeyMarker>', 2],
  ['<NextKeyMarker>prefix/a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>', 2],
])('a listing of uploads that goes on without saying where is an error: %s', async (markers, requests) => {
  const { asked, swept } = await sweepThrough(markers);
  await expect(swept).rejects.toMatchObject({
    code: 'store-unreachable',
    message: expect.stringContaining('the listing goes on, but does not say where'),
  });
  expect(asked).toHaveLength(requests);
});
