import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { listBackups } from '../../../src/backup/catalog.ts';
import { toDocument } from '../../../src/backup/catalog-json.ts';
import {
  likelySegmentSize,
  requiredSegments,
  segmentSizeOf,
  walStop,
} from '../../../src/backup/catalog-segments.ts';
import { formatWaleTable } from '../../../src/backup/catalog-wale.ts';
import { deleteBackup } from '../../../src/backup/delete.ts';
import { writeJournal } from '../../../src/backup/deletion-journal.ts';
import { metadataKey, partitionKey, sentinelKey } from '../../../src/backup/format/keys.ts';
import { markBackup } from '../../../src/backup/mark.ts';
import { retain } from '../../../src/retention/retain.ts';
import { MemoryStore } from './memory-store.ts';

const SAMPLE = join(import.meta.dirname, '../../fixtures/walg-sample/store');
const FULL = 'base_000000010000000000000002';
const DELTA = 'base_000000010000000000000004_D_000000010000000000000002';
const { signal } = new AbortController();

let store: MemoryStore;
beforeEach(async () => {
  store = await MemoryStore.from(SAMPLE);
});

describe('markBackup', () => {
  it('marks a delta with what it is built on, and changes nothing else in metadata.json', async () => {
    const before = store.objects.get(metadataKey(DELTA))?.toString() ?? '';
    const sentinel = store.objects.get(sentinelKey(DELTA));
    const { changed } = await markBackup({ store }, { name: 'LATEST', permanent: true }, signal);
    expect(changed).toEqual([FULL, DELTA]);
    const after = store.objects.get(metadataKey(DELTA))?.toString();
    expect(after).toBe(before.replace('"is_permanent":false', '"is_permanent":true'));
    expect(after).toContain('"system_identifier":7710601500094473008');
    expect(store.objects.get(sentinelKey(DELTA))).toBe(sentinel);
    expect((await markBackup({ store }, { name: DELTA, permanent: true }, signal)).changed).toEqual([]);
  });

  it('takes the mark away from one alone, not while a permanent delta needs it', async () => {
    await markBackup({ store }, { name: DELTA, permanent: true }, signal);
    await expect(markBackup({ store }, { name: FULL, permanent: false }, signal)).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining(DELTA),
    });
    await markBackup({ store }, { name: DELTA, permanent: false }, signal);
    expect((await listBackups(store, signal)).map(({ permanent }) => permanent)).toEqual([true, false]);
  });

  it('does not say that it marked a backup that is deleted meanwhile, and leaves nothing of it', async () => {
    const put = store.put.bind(store);
    store.put = async (key, body) => {
      store.objects.delete(sentinelKey(FULL));
      await put(key, body);
    };
    await expect(markBackup({ store }, { name: FULL, permanent: true }, signal)).rejects.toMatchObject({
      exitCode: 5,
      message: `${FULL} was deleted just now`,
    });
    expect(store.objects.has(metadataKey(FULL))).toBe(false);
  });

  it.each([true, false])(
    'writes metadata.json anew where it is damaged, permanent: %s',
    async (permanent) => {
      store.objects.set(metadataKey(FULL), Buffer.from('{"is_perm'));
      const { changed } = await markBackup({ store }, { name: FULL, permanent }, signal);
      expect(changed).toEqual([FULL]);
      const [full] = await listBackups(store, signal);
      expect(full).toMatchObject({ permanent, warnings: [], startLsn: 33554472n, hostname: 'vm' });
      expect(full?.isMarkUnknown).toBeUndefined();
    },
  );

  it('makes metadata.json where there is none', async () => {
    store.objects.delete(metadataKey(FULL));
    await markBackup({ store }, { name: FULL, permanent: true }, signal);
    expect(JSON.parse(store.objects.get(metadataKey(FULL))?.toString() ?? '')).toMatchObject({
      is_permanent: true,
      start_lsn: 33554472,
      hostname: 'vm',
    });
  });
});

describe('deleteBackup', () => {
  it('only tells what would go until it is confirmed; then the sentinel goes first', async () => {
    const plan = await deleteBackup({ store }, { name: DELTA, confirm: false }, signal);
    expect(plan).toMatchObject({ deleted: false, objects: 6, isLast: false });
    expect(store.deleted).toEqual([]);
    await deleteBackup({ store }, { name: DELTA, confirm: true }, signal);
    expect(store.deleted[0]).toBe(sentinelKey(DELTA));
    expect([...store.objects.keys()].filter((key) => key.includes(DELTA))).toEqual([]);
    const last = await deleteBackup({ store }, { name: FULL, confirm: true }, signal);
    expect(last.isLast).toBe(true);
    expect([...store.objects.keys()].every((key) => key.startsWith('wal_005/'))).toBe(true);
  });

  it('refuses a backup that deltas are built on, and a permanent one', async () => {
    await expect(deleteBackup({ store }, { name: FULL, confirm: true }, signal)).rejects.toMatchObject({
      exitCode: 4,
      message: `delta backups are built on ${FULL}: ${DELTA}`,
    });
    await markBackup({ store }, { name: DELTA, permanent: true }, signal);
    await expect(deleteBackup({ store }, { name: DELTA, confirm: true }, signal)).rejects.toMatchObject({
      exitCode: 4,
      message: `backup ${DELTA} is permanent`,
    });
    expect(store.deleted).toEqual([]);
  });

  it.each([
    ['a second deletion', (name: string) => deleteBackup({ store }, { name, confirm: true }, signal)],
    [
      'retention',
      () => retain({ store, emit: () => undefined }, { rules: undefined, confirm: true }, signal),
    ],
  ])('leaves what %s finishes when it is broken off behind the sentinel', async (_, finish) => {
    const part = partitionKey(DELTA, 'part_001.tar.lz4');
    const whole = store.delete.bind(store);
    store.delete = async (keys) => {
      if (!keys.includes(part)) return await whole(keys);
      await whole(keys.slice(0, 1));
      throw new Error('killed');
    };
    await expect(deleteBackup({ store }, { name: DELTA, confirm: true }, signal)).rejects.toThrow('killed');
    expect(store.objects.has(part)).toBe(true);
    store.delete = whole;
    const shown = await deleteBackup({ store }, { name: DELTA, confirm: false }, signal);
    expect(shown).toMatchObject({ isLeftover: true, deleted: false, objects: 4, isLast: false });
    expect(store.objects.has(part)).toBe(true);
    await finish(DELTA);
    const rest = [...store.objects.keys()].filter((key) => key.includes(DELTA) || key.startsWith('pgarc/'));
    expect(rest).toEqual([]);
    expect((await listBackups(store, signal)).map(({ name }) => name)).toEqual([FULL]);
  });

  it('touches no parts without a sentinel that no journal names, or that are newer than it', async () => {
    store.objects.delete(sentinelKey(DELTA));
    const again = () => deleteBackup({ store }, { name: DELTA, confirm: true }, signal);
    await expect(again()).rejects.toMatchObject({ exitCode: 5 });
    await writeJournal(store, [DELTA], signal);
    // Another tool makes the backup anew.
    for (const key of store.objects.keys())
      if (key.includes(`${DELTA}/`)) store.modified.set(key, new Date(1));
    await expect(again()).rejects.toMatchObject({ exitCode: 5 });
    expect(store.deleted).toEqual([]);
  });

  it('refuses one whose metadata.json is there and damaged, until it is marked anew', async () => {
    store.objects.set(metadataKey(DELTA), Buffer.from('{"is_permanent":tr'));
    await expect(deleteBackup({ store }, { name: DELTA, confirm: true }, signal)).rejects.toMatchObject({
      exitCode: 4,
      message: `backup ${DELTA} may be permanent: ${metadataKey(DELTA)} does not tell`,
      hint: expect.stringContaining(`pgarc backup-mark ${DELTA} --impermanent`),
    });
    expect(store.deleted).toEqual([]);
    await markBackup({ store }, { name: DELTA, permanent: false }, signal);
    await deleteBackup({ store }, { name: DELTA, confirm: true }, signal);
    expect((await listBackups(store, signal)).map(({ name }) => name)).toEqual([FULL]);
  });

  it('deletes one whose sentinel is damaged', async () => {
    store.objects.set(sentinelKey(DELTA), Buffer.from('x'));
    await deleteBackup({ store }, { name: DELTA, confirm: true }, signal);
    expect(await listBackups(store, signal)).toHaveLength(1);
  });
});

describe('forms of the list', () => {
  it("prints WAL-E's table with tabs and CRLF", async () => {
    const lines = formatWaleTable(await listBackups(store, signal)).split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]?.split('\t')).toEqual([
      'name',
      'last_modified',
      'expanded_size_bytes',
      'wal_segment_backup_start',
      'wal_segment_offset_backup_start',
      'wal_segment_backup_stop',
      'wal_segment_offset_backup_stop',
    ]);
    expect(lines[1]).toBe(
      `${FULL}\t2026-11-21T12:31:52.210Z\t25107797\t000000010000000000000002\t00000040\t000000010000000000000002\t00000256`,
    );
  });

  it('keeps all digits for programs', async () => {
    const [full] = (await listBackups(store, signal)).map(toDocument);
    expect(full).toMatchObject({
      startLsn: '0/2000028',
      finishLsn: '0/2000100',
      systemIdentifier: '7710601500094473008',
      durationMs: 1181,
      parent: null,
    });
  });

  it.each([
    ['000000010000000100000000', 0x1_00000028n, 16],
    // Only segments of 32 MiB and larger begin so.
    ['000000010000000100000000', 0x1_01800028n, 32],
    ['000000010000000100000001', 0x1_04000028n, 64],
  ])(
    'takes the usual segment size where %s at %s leaves it open, or a likely one',
    async (segment, lsn, size) => {
      const [full] = await listBackups(store, signal);
      const open = { ...full!, name: `base_${segment}`, startLsn: lsn };
      expect(segmentSizeOf(open)).toBe(size * 2 ** 20);
      expect(segmentSizeOf(open, 64 * 2 ** 20)).toBe(64 * 2 ** 20);
    },
  );

  it("tells in WAL-E's table the stop in segments of the size that other backups have", async () => {
    const [full] = await listBackups(store, signal);
    const clear = { ...full!, name: 'base_000000010000000200000003', startLsn: 0x2_0c000028n };
    const open = {
      ...full!,
      name: 'base_000000010000000100000000',
      startLsn: 0x1_00000028n,
      finishLsn: 0x1_08000028n,
    };
    expect(likelySegmentSize([full!, clear, open])).toBe(64 * 2 ** 20);
    expect(formatWaleTable([clear, open])).toContain('\t000000010000000100000002\t00000040\r\n');
    expect(formatWaleTable([full!, open])).toContain('\t000000010000000100000008\t00000040\r\n');
  });

  it('finds the segment size from name and LSN', async () => {
    const [full] = await listBackups(store, signal);
    if (full === undefined) throw new Error('no backup');
    expect(segmentSizeOf(full)).toBe(16 * 1024 * 1024);
    const other = { ...full, name: 'base_000000010000000200000003', startLsn: 0x2_0c000028n };
    expect(segmentSizeOf(other)).toBe(64 * 1024 * 1024);
    const stop = { ...other, finishLsn: 0x2_14000000n };
    expect(walStop(stop)).toEqual({ segment: '000000010000000200000004', offset: 0 });
    expect(requiredSegments(stop)).toEqual(['000000010000000200000003', '000000010000000200000004']);
  });
});
