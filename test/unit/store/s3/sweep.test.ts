import { expect, it } from 'vitest';
import { openAnsweringStore } from './answering-store.ts';

/** Sweeps in a store whose listings of uploads are empty, not the last, and end with these markers. */
async function sweepThrough(markers: string): Promise<{ asked: string[]; swept: Promise<number> }> {
  const asked: string[] = [];
  const store = await openAnsweringStore((request) => {
    asked.push(request.url ?? '');
    return `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>${markers}</ListMultipartUploadsResult>`;
  });
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
