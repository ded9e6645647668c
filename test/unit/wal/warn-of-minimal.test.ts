import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { openSource } from '../../../src/wal/source.ts';
import { warnOfMinimal } from '../../../src/wal/warn-of-minimal.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { WalWriter } from './wal-writer.ts';

/** What is said of a segment that `write` wrote. */
async function warnings(write: (writer: WalWriter) => void): Promise<PgarcEvent[]> {
  const writer = new WalWriter();
  write(writer);
  const path = join(await makeTemporaryFolder('warn'), '000000010000000000000001');
  await writeFile(path, writer.segments().get(1n)!);
  const events: PgarcEvent[] = [];
  const source = await openSource(path);
  await using _ = source.handle;
  await warnOfMinimal(source, (event) => events.push(event));
  return events;
}

it('tells of a server that was started with wal_level = minimal', async () => {
  const events = await warnings((writer) => {
    writer.fill(88);
    writer.levelChange(0);
  });
  expect(events).toMatchObject([
    {
      type: 'warning',
      message: expect.stringMatching(/^WAL from LSN 0\/1000A0 on was .* no backup from before/),
    },
  ]);
});

it.each<[string, (writer: WalWriter) => void]>([
  ['another change of settings', (writer) => writer.levelChange(1)],
  ['a segment that ends at once', (writer) => writer.switchSegment()],
  ['a record that fills the page', (writer) => writer.fill(20_000)],
])('says nothing of %s', async (_, write) => {
  expect(await warnings(write)).toEqual([]);
});
