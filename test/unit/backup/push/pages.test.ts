import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PageChecker, type PageReader } from '../../../../src/backup/push/pages.ts';
import { findBadPages } from '../../../../src/postgres/page-checksum.ts';
import type { PgarcEvent } from '../../../../src/report/events.ts';

const PAGE = 8192;
const START = 0x5000000n;
const NOW = 0x6000000n;
const FILE = '/base/5/16384';

function makeChecker() {
  const events: PgarcEvent[] = [];
  const checker = new PageChecker({
    blockSize: PAGE,
    fileBlocks: 131072,
    startLsn: START,
    currentLsn: async () => NOW,
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
  });
  return { checker, events };
}

/** A page with a right checksum. */
function makePage(block: number, lsn: bigint): Buffer {
  const page = Buffer.from(new Uint8Array(randomBytes(PAGE)));
  page.writeUInt32LE(Number(lsn >> 32n), 0);
  page.writeUInt32LE(Number(lsn & 0xffffffffn), 4);
  page.writeUInt16LE(0, 8);
  const [bad] = findBadPages(page, block);
  if (bad !== undefined) page.writeUInt16LE(bad.expected, 8);
  return page;
}

function damage(page: Buffer): Buffer {
  const copy = Buffer.from(new Uint8Array(page));
  copy[4000]! ^= 0xff;
  return copy;
}

function fileNamed(name: string) {
  return { name, size: 2 * PAGE, mode: 0o600, uid: 0, gid: 0, modifiedNs: 0n, crc32c: 0 };
}

async function settle(target: Buffer, reader: PageReader, name = FILE, position = 0) {
  const { checker, events } = makeChecker();
  const check = checker.forFile(fileNamed(name))!;
  expect(check.hasBadPages(target, position)).toBe(true);
  await check.settle(name, target, position, reader);
  return { damaged: checker.damaged, events };
}

describe('PageChecker', () => {
  it('checks files of relations only', () => {
    const { checker } = makeChecker();
    const checked = (name: string) => checker.forFile(fileNamed(name)) !== undefined;
    expect(checked('/base/5/16384.2')).toBe(true);
    expect(checked('/global/1262_fsm')).toBe(true);
    expect(checked('/pg_tblspc/16384/PG_15_202209061/5/16390')).toBe(true);
    expect(checked('/base/5/pg_filenode.map')).toBe(false);
    expect(checked('/base/5/PG_VERSION')).toBe(false);
    expect(checked('/pg_xact/0000')).toBe(false);
    expect(checked('/mine/16384')).toBe(false);
  });

  it('knows the number of a block in the second file of a relation', () => {
    const check = makeChecker().checker.forFile(fileNamed('/base/5/16384.1'))!;
    expect(check.hasBadPages(makePage(131073, 1n), PAGE)).toBe(false);
    expect(check.hasBadPages(makePage(1, 1n), PAGE)).toBe(true);
  });

  it('ignores a last page that is not whole', () => {
    const check = makeChecker().checker.forFile(fileNamed(FILE))!;
    const whole = Buffer.from(new Uint8Array(Buffer.concat([makePage(0, 1n), Buffer.alloc(100, 1)])));
    expect(check.hasBadPages(whole, 0)).toBe(false);
  });

  it('reads a torn page again, and takes what it reads', async () => {
    const good = makePage(1, START - 1n);
    const target = Buffer.from(new Uint8Array(Buffer.concat([makePage(0, 1n), damage(good)])));
    let reads = 0;
    const { damaged, events } = await settle(target, async (page, position) => {
      expect(position).toBe(PAGE);
      reads++;
      (reads < 3 ? damage(good) : good).copy(page);
      return PAGE;
    });
    expect([damaged, events]).toEqual([[], []]);
    expect(target.subarray(PAGE).equals(good)).toBe(true);
  });

  it('reports a page that stays wrong', async () => {
    const bad = damage(makePage(1, START - 1n));
    const target = Buffer.from(new Uint8Array(Buffer.concat([makePage(0, 1n), bad])));
    const { damaged, events } = await settle(target, async (page) => bad.copy(page));
    expect(damaged).toMatchObject([{ file: FILE, block: 1, found: bad.readUInt16LE(8) }]);
    expect(events).toEqual([{ type: 'pageDamaged', ...damaged[0] }]);
  });

  it('counts blocks within the file', async () => {
    const bad = damage(makePage(131073, 1n));
    const { damaged } = await settle(bad, async (page) => bad.copy(page), '/base/5/16384.1', PAGE);
    expect(damaged).toMatchObject([{ file: '/base/5/16384.1', block: 1 }]);
  });

  it('leaves a page to replay that changed since the backup began, but not one from the future', async () => {
    const changed = damage(makePage(0, START + 100n));
    expect((await settle(changed, async (page) => changed.copy(page))).damaged).toEqual([]);
    const future = damage(makePage(0, NOW + 100n));
    expect((await settle(future, async (page) => future.copy(page))).damaged).toHaveLength(1);
  });

  it('leaves a page to replay whose LSN changes while it is read', async () => {
    const first = damage(makePage(0, 1n));
    const second = damage(makePage(0, 2n));
    expect((await settle(first, async (page) => second.copy(page))).damaged).toEqual([]);
  });

  it('takes a page that was truncated away as new', async () => {
    const target = damage(makePage(0, 1n));
    expect((await settle(target, async () => 0)).damaged).toEqual([]);
    expect(target.equals(Buffer.alloc(PAGE))).toBe(true);
  });

  it('reads nothing again when all is good', () => {
    const check = makeChecker().checker.forFile(fileNamed(FILE))!;
    expect(check.hasBadPages(makePage(0, 1n), 0)).toBe(false);
  });
});
