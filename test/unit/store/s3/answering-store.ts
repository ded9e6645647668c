import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openStore } from '../../../../src/store/open.ts';
import type { ObjectStore } from '../../../../src/store/store.ts';
import { atEnd } from '../../../support/cleanup.ts';
import { storeSettings } from '../settings.ts';

/** Opens `s3://bucket/prefix` at a server that answers every request with this XML. Closed at the end. */
export async function openAnsweringStore(answer: (request: IncomingMessage) => string): Promise<ObjectStore> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/xml');
    response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${answer(request)}`);
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
  return store;
}
