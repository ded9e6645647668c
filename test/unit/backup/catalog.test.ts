import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { findBackup, listBackups } from '../../../src/backup/catalog.ts';
import { metadataKey, partitionKey, sentinelKey } from '../../../src/backup/format/keys.ts';
import { MemoryStore } from './memory-store.ts';

const SAMPLE = join(import.meta.dirname, '../../fixtures/walg-sample/store');
const FULL = 'base_000000010000000000000002';
const DELTA = 'base_000000010000000000000004_D_000000010000000000000002';
const WALE = 'base_00000001000000000000000A_00000040';
const signal = new AbortController().signal;

let store: MemoryStore;
beforeEach(async () => {
  store = await MemoryStore.from(SAMPLE);
});

function addWale(modified: Date): void {
  store.objects.set(
    sentinelKey(WALE),
    Buffer.from(
      '{"wal_segment_backup_stop":"00000001000000000000000A","wal_segment_offset_backup_stop":"00000240","expanded_size_bytes":123456,"spec":{"base_prefix":"/pg","tablespaces":[]}}',
    ),
  );
  store.modified.set(sentinelKey(WALE), modified);
  store.objects.set(partitionKey(WALE, 'part_00000000.tar.lzo'), Buffer.alloc(1000));
  store.objects.set(partitionKey(WALE, 'part_00000001.tar.lzo'), Buffer.alloc(500));
}

describe('listBackups', () => {
  it('reads full and delta backups of WAL-G without losing a digit', async () => {
    const [full, delta] = await listBackups(store, signal);
    expect(full).toMatchObject({
      name: FULL,
      kind: 'full',
      startLsn: 33554472n,
      finishLsn: 33554688n,
      timeline: 1,
      systemIdentifier: 7710601500094473008n,
      uncompressedSize: 24993203,
      storedSize: 5253714,
      dataSize: 25107797,
      pgVersion: 150020,
      permanent: false,
      hostname: 'vm',
      usable: true,
      warnings: [],
    });
    expect(full?.finishTime.toISOString()).toBe('2026-11-21T12:31:52.210Z');
    expect(delta).toMatchObject({ name: DELTA, kind: 'delta', parent: FULL, fullName: FULL, deltaCount: 1 });
  });

  it.each(['18446744073709551615', '1'])('believes no finish LSN such as %s', async (lsn) => {
    const sentinel = String(store.objects.get(sentinelKey(FULL)));
    store.objects.set(sentinelKey(FULL), Buffer.from(sentinel.replace('33554688', lsn)));
    expect(findBackup(await listBackups(store, signal), FULL)).toMatchObject({
      finishLsn: undefined,
      usable: false,
      warnings: ['the sentinel has no finish LSN that fits its start'],
    });
  });

  it('reads a backup of WAL-E, whose time is the time of its sentinel', async () => {
    addWale(new Date('2026-11-22T00:00:00Z'));
    const wale = findBackup(await listBackups(store, signal), WALE);
    expect(wale).toMatchObject({
      kind: 'wal-e',
      startLsn: 0x0a000028n,
      finishLsn: 0x0a0000f0n,
      startTime: undefined,
      finishTime: new Date('2026-11-22T00:00:00Z'),
      uncompressedSize: 123456,
      storedSize: 1500,
      systemIdentifier: undefined,
      usable: true,
    });
  });

  it('takes permanence from metadata.json', async () => {
    const metadata = JSON.parse(store.objects.get(metadataKey(FULL))?.toString() ?? '');
    store.objects.set(metadataKey(FULL), Buffer.from(JSON.stringify({ ...metadata, is_permanent: true })));
    expect((await listBackups(store, signal)).map((backup) => backup.permanent)).toEqual([true, false]);
  });

  it.each(['', '{"is_permanent":', '[]', '{"is_permanent":"yes"}'])(
    'takes a backup for permanent whose metadata.json is %j, and says so',
    async (text) => {
      store.objects.set(metadataKey(FULL), Buffer.from(text));
      const [full, delta] = await listBackups(store, signal);
      expect(full).toMatchObject({ permanent: true, isMarkUnknown: true, usable: true });
      expect(full?.warnings).toEqual([expect.stringContaining(`${metadataKey(FULL)}: is`)]);
      expect(delta).not.toHaveProperty('isMarkUnknown');
    },
  );

  it('takes one without metadata.json for what its sentinel says', async () => {
    store.objects.delete(metadataKey(FULL));
    expect((await listBackups(store, signal))[0]).toMatchObject({ permanent: false, warnings: [] });
  });

  it('lists a backup whose sentinel is damaged, with what is wrong, beside the others', async () => {
    store.objects.set(sentinelKey(FULL), Buffer.from('{"LSN":335'));
    const backups = await listBackups(store, signal);
    expect(backups).toHaveLength(2);
    const broken = findBackup(backups, FULL);
    expect(broken.usable).toBe(false);
    expect(broken.warnings[0]).toMatch(/^sentinel: is not JSON/);
  });

  it('leaves out a backup that is deleted while it lists', async () => {
    store.beforeGet = (key) => {
      if (key === sentinelKey(FULL)) store.objects.delete(key);
    };
    expect((await listBackups(store, signal)).map((backup) => backup.name)).toEqual([DELTA]);
  });

  it('does not hide a failing store', async () => {
    store.beforeGet = (key) => {
      if (key === metadataKey(DELTA)) throw new Error('connection reset');
    };
    await expect(listBackups(store, signal)).rejects.toThrow('connection reset');
  });
});

describe('findBackup', () => {
  it('finds LATEST by the finish time in the sentinel, not by when it was stored', async () => {
    store.modified.set(sentinelKey(FULL), new Date('2030-01-01T00:00:00Z'));
    expect(findBackup(await listBackups(store, signal), 'LATEST').name).toBe(DELTA);
  });

  it('never takes a damaged one for LATEST', async () => {
    store.objects.set(sentinelKey(DELTA), Buffer.from(''));
    store.modified.set(sentinelKey(DELTA), new Date('2030-01-01T00:00:00Z'));
    expect(findBackup(await listBackups(store, signal), 'LATEST').name).toBe(FULL);
    store.objects.set(sentinelKey(FULL), Buffer.from('{'));
    const none = await listBackups(store, signal);
    expect(() => findBackup(none, 'LATEST')).toThrow(
      expect.objectContaining({ exitCode: 8, message: expect.stringContaining(DELTA) }),
    );
  });

  it('names those that exist when the one asked for does not', async () => {
    const backups = await listBackups(store, signal);
    expect(() => findBackup(backups, 'base_0')).toThrow(
      expect.objectContaining({
        code: 'no-such-backup',
        exitCode: 5,
        message: 'there is no backup base_0',
        hint: `The newest that exist: ${DELTA}, ${FULL}. See: pgarc backup-list`,
      }),
    );
    expect(() => findBackup([], 'LATEST')).toThrow('the archive holds no backup');
  });
});
