import { beforeEach, describe, expect, it } from 'vitest';
import {
  BACKUPS,
  backupPrefix,
  metadataKey,
  partitionKey,
  sentinelKey,
} from '../../../src/backup/format/keys.ts';
import { formatJson } from '../../../src/json.ts';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { retain } from '../../../src/retention/retain.ts';
import { WAL, walKey } from '../../../src/wal/keys.ts';
import { formatSegmentName } from '../../../src/wal/segment.ts';
import { daysAgo, NOW, rules } from './fixture.ts';
import { PAGE, SIZE } from './world.ts';
import { WorldStore } from './world-store.ts';

const { signal } = new AbortController();

const segment = (number: number, timeline = 1) =>
  formatSegmentName({ timeline, number: BigInt(number) }, SIZE);
const nameOf = (at: number) => `base_${segment(at)}`;
const segmentKey = (number: number) => walKey(segment(number), '');

describe('retain', () => {
  let store: WorldStore;

  function put(key: string, days: number, body: Uint8Array = PAGE): void {
    store.objects.set(key, Buffer.from(body));
    store.modified.set(key, daysAgo(days));
  }

  /** A backup from the start of segment `at` into the next. */
  function putBackup(at: number, days: number, finished = days): void {
    const name = nameOf(at);
    const startLsn = BigInt(at) * BigInt(SIZE) + 40n;
    const sentinel = {
      LSN: startLsn,
      FinishLSN: startLsn + BigInt(SIZE),
      PgVersion: 150000,
      SystemIdentifier: 7n,
      FinishTime: daysAgo(finished).toISOString(),
      UncompressedSize: 9,
    };
    put(partitionKey(name, 'part_001.tar.lz4'), days);
    put(metadataKey(name), days, Buffer.from('{"is_permanent":false}'));
    put(sentinelKey(name), days, Buffer.from(formatJson(sentinel)));
  }

  const run = (given = rules({ full: 1 })) =>
    retain({ store, emit: () => undefined }, { rules: given, confirm: true, now: NOW, rate: 1e9 }, signal);
  const segmentsLeft = () => [...store.objects.keys()].filter((key) => key.startsWith(WAL)).sort();
  const namesLeft = () => [10, 20, 30].filter((at) => store.objects.has(sentinelKey(nameOf(at))));

  beforeEach(() => {
    store = new WorldStore();
    store.now = NOW;
    for (let number = 10; number < 40; number++) put(segmentKey(number), 40 - number);
    for (const at of [10, 20, 30]) putBackup(at, 38 - at);
  });

  it('drops what the rules do not keep', async () => {
    await run();
    expect(namesLeft()).toEqual([30]);
    expect(segmentsLeft()[0]).toBe(segmentKey(30));
  });

  it('takes a WAL object without a byte for missing, in the first look and in the second', async () => {
    put(segmentKey(11), 29, Buffer.alloc(0));
    await run();
    expect(namesLeft()).toEqual([30]);
  });

  it('does not believe a listing that lacks a segment which the store has', async () => {
    const listed = store.list.bind(store);
    store.list = async function* (prefix) {
      for await (const object of listed(prefix)) {
        if (prefix !== WAL || object.key !== segmentKey(11)) yield object;
      }
    };
    await expect(run()).rejects.toThrow(/is not complete: segment 00000001000000000000000B/);
    expect(store.deleted).toEqual([]);
  });

  describe('of a backup that a run before began to delete and no listing shows', () => {
    const parts = () => [...store.objects.keys()].filter((key) => key.startsWith(backupPrefix(nameOf(10))));

    beforeEach(() => {
      put('pgarc/retention/x.json', 0, Buffer.from(JSON.stringify({ backups: [nameOf(10)] })));
      const listed = store.list.bind(store);
      store.list = async function* (prefix) {
        for await (const object of listed(prefix)) {
          if (object.key !== sentinelKey(nameOf(10))) yield object;
        }
      };
    });

    it('deletes nothing when the store has its sentinel all the same', async () => {
      await expect(run()).rejects.toThrow(/is not complete: basebackups_005\/base_/);
      expect(store.deleted).toEqual([]);
    });

    it('leaves its parts when the sentinel shows as late as that', async () => {
      const head = store.head.bind(store);
      store.head = async (key) =>
        key === sentinelKey(nameOf(10)) && store.deleted.length === 0 ? undefined : head(key);
      const before = parts();
      await expect(run()).rejects.toMatchObject({ hint: expect.stringContaining('was left as it is') });
      expect(parts()).toEqual(before);
    });

    it('deletes the parts when the store has none', async () => {
      store.objects.delete(sentinelKey(nameOf(10)));
      await run();
      expect(parts()).toEqual([]);
    });
  });

  describe('while a standby begins a backup from an older restartpoint', () => {
    const claim = (at: number) => put(`pgarc/running/${nameOf(at)}.json`, 0);

    it('makes a new plan when it has begun before anything is deleted', async () => {
      const listed = store.list.bind(store);
      let looks = 0;
      store.list = async function* (prefix) {
        yield* listed(prefix);
        if (prefix === BACKUPS && ++looks === 1) claim(25);
      };
      const { plan } = await run();
      expect(plan.wal.notes.join()).toContain(`its WAL stays: ${nameOf(25)}`);
      expect(segmentsLeft()[0]).toBe(segmentKey(25));
    });

    it.each([
      ['is being made', claim],
      ['is complete already', (at: number) => putBackup(at, 0)],
    ])('leaves the WAL of one that %s when the WAL is to go', async (_, begin) => {
      const remove = store.delete.bind(store);
      store.delete = async (keys) => {
        await remove(keys);
        if (keys.includes(sentinelKey(nameOf(10)))) begin(25);
      };
      await run();
      expect(namesLeft()).toEqual([30]);
      expect(segmentsLeft()[0]).toBe(segmentKey(25));
    });
  });

  it('keeps the only base of a timeline of which no more than the history file is stored', async () => {
    // Somebody went back to a moment before the newest backup, and promoted.
    const text = `1\t${formatLsn(25n * BigInt(SIZE) + 8192n)}\tbefore the accident\n`;
    put(walKey('00000002.history', ''), 0, Buffer.from(text));
    await run();
    expect(namesLeft()).toEqual([20, 30]);
    expect(segmentsLeft()).toContain(segmentKey(25));
  });
});
