import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openStore } from '../../../../src/store/open.ts';
import type { ObjectStore } from '../../../../src/store/store.ts';
import { atEnd } from '../../../support/cleanup.ts';
import { storeSettings } from '../settings.ts';

/**
 * Opens `s3://bucket/prefix` at a server that answers every request with this XML, or with these bytes as an
 * object's. Closed at the end.
 */
export async function openAnsweringStore(
  answer: (request: IncomingMessage, response: ServerResponse) => string | Buffer,
): Promise<ObjectStore> {
  const server = createServer((request, response) => {
    const body = answer(request, response);
    const isObject = body instanceof Buffer;
    response.setHeader('content-type', isObject ? 'application/octet-stream' : 'application/xml');
    response.end(isObject ? body : `<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
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
