import { expect, it } from 'vitest';
import { openAnsweringStore } from './answering-store.ts';

/** A store of endless listings, with as many objects a page as it is asked for. */
async function openEndless() {
  const asked: string[] = [];
  const store = await openAnsweringStore((request) => {
    const { searchParams } = new URL(request.url!, 'http://any');
    asked.push(searchParams.get('max-keys') ?? 'all');
    const page = Array.from(
      { length: Number(searchParams.get('max-keys') ?? 1000) },
      (_, i) =>
        `<Contents><Key>prefix/wal_005/${asked.length}-${i}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><Size>1</Size></Contents>`,
    );
    return `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${asked.length}</NextContinuationToken>${page.join('')}</ListBucketResult>`;
  });
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
