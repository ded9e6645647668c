import { beforeEach, describe, expect, it } from 'vitest';
import { verifyBackups } from '../../../src/backup/verify.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { SAMPLE, SAMPLE_DELTA, SAMPLE_FULL } from '../../integration/sample.ts';
import { MemoryStore } from './memory-store.ts';

const signal = new AbortController().signal;
const sentinel = (name: string) => `basebackups_005/${name}_backup_stop_sentinel.json`;

let store: MemoryStore;
let events: PgarcEvent[];
let read: string[];

beforeEach(async () => {
  store = await MemoryStore.from(SAMPLE);
  events = [];
  read = [];
  store.beforeGet = (key) => void read.push(key);
});

function verify(name?: string) {
  const emit = (event: PgarcEvent) => events.push(event);
  return verifyBackups({ store, emit }, { name, concurrency: 2 }, signal);
}

/** Deletes as `delete` and retention do, when `trigger` is about to be read for the `nth` time. */
function deleteBefore(trigger: RegExp, nth: number, ...names: string[]): void {
  let seen = 0;
  store.beforeGet = async (key) => {
    if (!trigger.test(key)) return;
    seen += 1;
    if (seen !== nth) return;
    for (const name of names) {
      const keys = [...store.objects.keys()].filter((one) => one.startsWith(`basebackups_005/${name}/`));
      await store.delete([sentinel(name), ...keys]);
    }
  };
}

/** A segment that breaks off behind its first page. @param segmentSize bytes */
function firstPage(segmentSize: number): Buffer {
  const page = Buffer.alloc(8192);
  page.writeUInt16LE(0xd110, 0);
  page.writeUInt16LE(2, 2);
  page.writeUInt32LE(segmentSize, 32);
  page.writeUInt32LE(8192, 36);
  return page;
}

const warnings = () => events.flatMap((event) => (event.type === 'warning' ? event.message : []));

describe('verifyBackups', () => {
  it('reads one backup after the other, and each object once, but for the WAL where its records are', async () => {
    const result = await verify();
    expect(result).toMatchObject({ backups: [SAMPLE_FULL, SAMPLE_DELTA], deleted: [], failures: [] });
    const parts = read.filter((key) => key.includes('/tar_partitions/') || key.startsWith('wal_005/'));
    const tars = parts.filter((key) => key.includes('/tar_partitions/'));
    expect(new Set(tars).size).toBe(tars.length);
    expect(result.objects).toBe(new Set(parts).size);
    const lastOfFull = read.findLastIndex((key) => key.includes(`${SAMPLE_FULL}/tar_partitions/`));
    const listsOfDelta = read.indexOf(`basebackups_005/${SAMPLE_DELTA}/files_metadata.json`);
    expect(listsOfDelta).toBeGreaterThan(lastOfFull);
    expect(events.findLast((event) => event.type === 'progress')).toMatchObject({
      doneBytes: result.bytes,
      totalBytes: expect.any(Number),
    });
  });

  it('says nothing of a backup that is deleted while it is read', async () => {
    deleteBefore(/_D_.*\/tar_partitions\/part_001/, 1, SAMPLE_DELTA);
    expect(await verify()).toMatchObject({ backups: [SAMPLE_FULL], deleted: [SAMPLE_DELTA], failures: [] });
    expect(warnings()).toEqual([expect.stringContaining(`${SAMPLE_DELTA} was deleted`)]);
  });

  it('nor of one that is deleted before its turn, with its WAL', async () => {
    deleteBefore(/wal_005\//, 1, SAMPLE_DELTA);
    const hook = store.beforeGet;
    store.beforeGet = async (key) => {
      await hook(key);
      if (!store.objects.has(sentinel(SAMPLE_DELTA)))
        store.objects.delete('wal_005/000000010000000000000004.lz4');
    };
    expect(await verify()).toMatchObject({ backups: [SAMPLE_FULL], deleted: [SAMPLE_DELTA], failures: [] });
  });

  it('ends with "no such backup" when it is the one that was asked for', async () => {
    deleteBefore(/_D_.*\/tar_partitions\/part_001/, 1, SAMPLE_DELTA);
    await expect(verify('LATEST')).rejects.toMatchObject({ code: 'no-such-backup', retryable: true });
    store = await MemoryStore.from(SAMPLE);
    // Its sentinel is read for the list first.
    deleteBefore(/_D_.*_sentinel\.json$/, 2, SAMPLE_DELTA);
    await expect(verify(SAMPLE_DELTA)).rejects.toMatchObject({ code: 'no-such-backup', retryable: false });
  });

  it('tells of a delta whose full backup alone is gone', async () => {
    deleteBefore(/02\/tar_partitions\/part_001/, 1, SAMPLE_FULL);
    expect(await verify()).toMatchObject({
      backups: [SAMPLE_DELTA],
      deleted: [SAMPLE_FULL],
      failures: [{ key: sentinel(SAMPLE_FULL), reason: 'is missing from the store' }],
    });
  });

  it.each([
    ['64 MiB, as its first segment tells', 64, ['']],
    ['16 MiB, as that of the other backups', undefined, ['0', '1']],
    ['1 MiB, as its first segment tells', 1, [...'0123456789ABCDEF', '10', '11', '12', '13']],
  ])('asks for the WAL of a backup at the start of 4 GiB in segments of %s', async (_, size, lows) => {
    const name = 'base_000000010000000100000000';
    const text = String(store.objects.get(sentinel(SAMPLE_FULL)));
    const stop = 0x1_01400000n;
    const moved = text.replace('33554472', String(0x1_00000028n)).replace('33554688', String(stop));
    store.objects.set(sentinel(name), Buffer.from(moved));
    if (size !== undefined) store.objects.set('wal_005/000000010000000100000000', firstPage(size * 2 ** 20));
    const { failures } = await verify(name);
    const asked = failures.map(({ key }) => /^wal_005\/0000000100000001([0-9A-F]{8})/.exec(key)?.[1]);
    const wanted = lows.map((low) => low.padStart(8, '0'));
    expect(asked.filter((low) => low !== undefined)).toEqual(wanted);
  });

  it('tells what a backup that is still there lacks, once', async () => {
    const part = `basebackups_005/${SAMPLE_FULL}/tar_partitions/part_001.tar.lz4`;
    store.objects.set(part, store.objects.get(part)!.subarray(0, 1000));
    store.objects.delete('wal_005/000000010000000000000002.lz4');
    const { failures, deleted } = await verify();
    expect(deleted).toEqual([]);
    expect(failures.map(({ key }) => key)).toEqual([part, 'wal_005/000000010000000000000002.lz4']);
  });
});
