import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from '../../test/support/cleanup.ts';

/** An archive that exists only in answers. Keys are in order; bodies are made when they are asked for. */
export interface ListedArchive {
  bucket: string;
  keys: readonly string[];
  sizeOf(key: string): number;
  modifiedOf(key: string): Date;
  bodyOf(key: string): Buffer | undefined;
}

export interface ListingServer {
  endpoint: string;
  /** Requests so far: listings, objects read, others. */
  count(): { lists: number; gets: number; others: number };
  reset(): void;
}

const PAGE = 1000;

/**
 * Serves ListObjectsV2 and GetObject of a large archive: what a real store would need an hour to be filled for.
 * @param pageDelay ms before each answer
 */
export async function startListingServer(archive: ListedArchive, pageDelay: number): Promise<ListingServer> {
  const counts = { lists: 0, gets: 0, others: 0 };
  const pages = new Map<string, Buffer>();
  const server = createServer(
    { keepAliveTimeout: 30_000 },
    (request, response) => void handle(request, response),
  );

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await sleep(pageDelay);
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET') {
      counts.others++;
      response.writeHead(405).end();
    } else if (url.searchParams.has('list-type')) {
      counts.lists++;
      const known = pages.get(url.search) ?? Buffer.from(list(archive, url.searchParams));
      // The server's own work shall not be measured twice.
      pages.set(url.search, known);
      response.writeHead(200, { 'content-type': 'application/xml' }).end(known);
    } else if (url.searchParams.has('versioning')) {
      counts.others++;
      response.writeHead(200, { 'content-type': 'application/xml' });
      response.end('<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>');
    } else {
      counts.gets++;
      const key = decodeURIComponent(url.pathname).slice(archive.bucket.length + 2);
      const body = archive.bodyOf(key);
      const missing = '<Error><Code>NoSuchKey</Code><Message>no</Message></Error>';
      if (body === undefined) response.writeHead(404, { 'content-type': 'application/xml' }).end(missing);
      else {
        const modified = archive.modifiedOf(key).toUTCString();
        response.writeHead(200, { etag: '"x"', 'last-modified': modified, 'content-length': body.length });
        response.end(body);
      }
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => ({ ...counts }),
    reset: () => Object.assign(counts, { lists: 0, gets: 0, others: 0 }),
  };
}

function list(archive: ListedArchive, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const most = Math.min(PAGE, Number(query.get('max-keys') ?? PAGE));
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  const contents: string[] = [];
  const folders = new Set<string>();
  let last = '';
  let isTruncated = false;
  let at = firstAtLeast(archive.keys, after > prefix ? after : prefix);
  for (; at < archive.keys.length; at++) {
    const key = archive.keys[at]!;
    if (!key.startsWith(prefix)) break;
    if (key <= after) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = cut === -1 ? undefined : key.slice(0, cut + 1);
    if (folder !== undefined && (folders.has(folder) || after.startsWith(folder))) continue;
    if (contents.length + folders.size >= most) {
      isTruncated = true;
      break;
    }
    last = folder ?? key;
    if (folder !== undefined) folders.add(folder);
    else contents.push(entryOf(archive, key));
  }
  const common = [...folders].map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
  const next = isTruncated ? `<NextContinuationToken>${last}</NextContinuationToken>` : '';
  const facts = `<Name>${archive.bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${contents.length + folders.size}</KeyCount><MaxKeys>${most}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${next}`;
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${facts}${contents.join('')}${common.join('')}</ListBucketResult>`;
}

function entryOf(archive: ListedArchive, key: string): string {
  return `<Contents><Key>${key}</Key><LastModified>${archive.modifiedOf(key).toISOString()}</LastModified><ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>${archive.sizeOf(key)}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
}

function firstAtLeast(keys: readonly string[], wanted: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
