import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifySegment } from '../../../src/backup/verify-wal.ts';
import { makeSegment, type SegmentOptions } from '../../support/wal-segment.ts';
import { type FolderArchive, makeFolderArchive } from './folder-archive.ts';

const MIB = 2 ** 20;

/** A history file's text: timelines and where each was left, in bytes. */
function history(...entries: [timeline: number, switchLsn: number][]): string {
  return entries.map(([timeline, at]) => `${timeline}\t0/${at.toString(16)}\tno reason\n`).join('');
}

/** Segment 3 of 1 MiB, under this name, with pages of these timelines up to so many pages. */
interface Case {
  what: string;
  name: string;
  pages: Pick<SegmentOptions, 'timeline' | 'ancestors'>;
  histories: Record<string, string>;
  wrong?: string;
}

const TWO = '000000020000000000000003';
const THREE = '000000030000000000000003';
const SWITCH = 3 * MIB + 0x100;
/** Its parent's pages up to the one that holds the switch. */
const SWITCHED = { timeline: 2, ancestors: [{ timeline: 1, switchAt: 8192 }] };

const CASES: Case[] = [
  {
    what: 'holds the switch',
    name: TWO,
    pages: SWITCHED,
    histories: { '00000002.history': history([1, SWITCH]) },
  },
  {
    what: 'holds the switch in its last page',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, 4 * MIB - 8]) },
  },
  {
    what: 'holds two switches',
    name: THREE,
    pages: {
      timeline: 3,
      ancestors: [
        { timeline: 1, switchAt: 8192 },
        { timeline: 2, switchAt: 16384 },
      ],
    },
    histories: { '00000003.history': history([1, SWITCH], [2, SWITCH + 8192]) },
  },
  {
    what: 'holds two switches in one page',
    name: THREE,
    pages: { timeline: 3, ancestors: [{ timeline: 1, switchAt: 8192 }] },
    histories: { '00000003.history': history([1, SWITCH], [2, SWITCH + 0x100]) },
  },
  {
    what: 'holds the second switch, and the first was before',
    name: THREE,
    pages: { timeline: 3, ancestors: [{ timeline: 2, switchAt: 8192 }] },
    histories: { '00000003.history': history([1, 2 * MIB], [2, SWITCH]) },
  },
  {
    what: 'was left before its timeline’s parent began, by recovery to an earlier moment',
    name: THREE,
    pages: { timeline: 3, ancestors: [{ timeline: 1, switchAt: 8192 }] },
    histories: { '00000003.history': history([1, 9 * MIB], [2, SWITCH]) },
  },
  { what: 'has a history nobody knows', name: TWO, pages: { timeline: 1 }, histories: {} },
  {
    what: 'has a damaged history',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': 'rubbish' },
  },
  {
    what: 'has a history that begins too late to tell',
    name: THREE,
    pages: { timeline: 3, ancestors: [{ timeline: 1, switchAt: 8192 }] },
    histories: { '00000003.history': history([2, SWITCH]) },
  },
  {
    what: 'is partial, with what the file held before behind it',
    name: `${TWO}.partial`,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, SWITCH]) },
  },
  {
    what: 'lies behind the switch',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, 2 * MIB + 0x100]) },
    wrong: 'its first page is of timeline 1, and by 00000002.history timeline 2 wrote 0/300000',
  },
  {
    what: 'begins at the switch',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, 3 * MIB]) },
    wrong: 'timeline 2 wrote 0/300000',
  },
  {
    what: 'is partial behind the switch',
    name: `${TWO}.partial`,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, 2 * MIB]) },
    wrong: 'timeline 2 wrote 0/300000',
  },
  {
    what: 'lies before the switch',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, 4 * MIB]) },
    wrong: 'it ends before timeline 2 begins at 0/400000',
  },
  {
    what: 'is its parent’s, which went on behind the switch',
    name: TWO,
    pages: { timeline: 1 },
    histories: { '00000002.history': history([1, SWITCH]) },
    wrong: 'its page at 0/302000 is of timeline 1, and timeline 2 begins at 0/300100',
  },
  {
    what: 'is its parent’s, with both switches',
    name: THREE,
    pages: SWITCHED,
    histories: { '00000003.history': history([1, SWITCH], [2, SWITCH + 8192]) },
    wrong: 'its page at 0/304000 is of timeline 2',
  },
  {
    what: 'is a timeline’s that is no ancestor',
    name: THREE,
    pages: { timeline: 2 },
    histories: { '00000003.history': history([1, SWITCH]) },
    wrong: 'its first page is of timeline 2, and by 00000003.history timeline 1 wrote 0/300000',
  },
  {
    what: 'lies behind where recovery to an earlier moment left',
    name: THREE,
    pages: { timeline: 1 },
    histories: { '00000003.history': history([1, 9 * MIB], [2, 2 * MIB]) },
    wrong: 'timeline 3 wrote 0/300000',
  },
];

/** Puts the histories where they shall be found. */
async function tell(
  archive: FolderArchive,
  histories: Case['histories'],
  where: 'pg_wal' | 'archive',
): Promise<void> {
  for (const [name, text] of Object.entries(histories)) {
    if (where === 'archive') await archive.plant(name, Buffer.from(text));
    else await writeFile(join(archive.data, 'pg_wal', name), text);
  }
}

function bytesOf({ pages }: Case): Buffer {
  return makeSegment({ number: 3, ...pages }).bytes;
}

describe.each(['pg_wal', 'archive'] as const)(
  'with histories in %s, a segment of an older timeline',
  (where) => {
    it.each(CASES)('$what: wal-push', async (one) => {
      const archive = await makeFolderArchive();
      await tell(archive, one.histories, where);
      const pushed = archive.push(one.name, bytesOf(one));
      if (one.wrong === undefined) {
        expect((await pushed).outcome).toBe('stored');
      } else {
        await expect(pushed).rejects.toMatchObject({
          code: 'wal-invalid',
          exitCode: 1,
          message: expect.stringContaining(one.wrong),
        });
        expect(await archive.store.head(`wal_005/${one.name}.lz4`)).toBeUndefined();
      }
    });

    it.each(CASES)('$what: wal-fetch', async (one) => {
      const archive = await makeFolderArchive();
      await tell(archive, one.histories, where);
      await archive.plant(one.name, bytesOf(one));
      const fetched = archive.fetch(one.name);
      if (one.wrong === undefined) {
        expect((await fetched).bytes).toBe(MIB);
      } else {
        await expect(fetched).rejects.toMatchObject({
          code: 'object-damaged',
          message: expect.stringContaining(one.wrong),
        });
      }
    });
  },
);

it.each(CASES.filter(({ name }) => !name.endsWith('.partial')))(
  'pgarc verify sees that it $what',
  async (one) => {
    const archive = await makeFolderArchive();
    await tell(archive, one.histories, 'archive');
    await archive.plant(one.name, bytesOf(one));
    const { signal } = new AbortController();
    const found = await verifySegment(archive.store, one.name, undefined, () => undefined, signal);
    if (one.wrong === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject({ reason: expect.stringContaining(one.wrong) });
  },
);

describe('what it costs', () => {
  it('nothing for a segment that begins with its own timeline', async () => {
    const archive = await makeFolderArchive();
    const { name, bytes } = makeSegment({ timeline: 2 });
    await archive.plant(name, bytes);
    await archive.fetch(name);
    expect(archive.calls).toEqual([`getStream wal_005/${name}.lz4`]);
    expect(archive.events.filter(({ type }) => type === 'warning')).toEqual([]);
  });

  it('a warning when nothing is known', async () => {
    const archive = await makeFolderArchive();
    await archive.push(TWO, bytesOf({ pages: { timeline: 1 } } as Case));
    expect(archive.events).toContainEqual({
      type: 'warning',
      message: `${TWO} begins with timeline 1, and whether that is right is not known: no sound 00000002.history is in pg_wal or in the archive`,
    });
  });
});

it('a parent’s last segment that ends at the switch is not its successor’s when the archive goes on', async () => {
  const archive = await makeFolderArchive();
  const { bytes } = makeSegment({ number: 3, timeline: 1 });
  // As PostgreSQL leaves it when it is promoted: nothing was written behind the switch.
  bytes.fill(0, 8192);
  await tell(archive, { '00000002.history': history([1, SWITCH]) }, 'pg_wal');
  await archive.plant(TWO, bytes);
  expect((await archive.fetch(TWO)).bytes).toBe(MIB);
  const next = makeSegment({ number: 4, timeline: 2 });
  await archive.plant(next.name, next.bytes);
  await expect(archive.fetch(TWO)).rejects.toMatchObject({
    code: 'object-damaged',
    message: expect.stringContaining(`the archive goes on with ${next.name}`),
  });
});
