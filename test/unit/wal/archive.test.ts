import { describe, expect, it } from 'vitest';
import { isPgarcError } from '../../../src/errors.ts';
import { listArchive, requireHistories } from '../../../src/wal/archive.ts';
import { verifyWal } from '../../../src/wal/verify.ts';
import { ArchiveFixture, at, makeBackup } from './stored-archive.ts';
import { WalWriter } from './wal-writer.ts';

const { signal } = new AbortController();

describe('listArchive', () => {
  it('gathers segments, history files, partial segments and strays in one listing', async () => {
    const fixture = new ArchiveFixture();
    const writer = new WalWriter();
    writer.fill(3 * 2 ** 20);
    fixture.addSegments(writer);
    fixture.addFile('00000002.history', '1\t0/300000\tno recovery target specified\n');
    fixture.addFile('000000010000000000000004.partial', 'x');
    fixture.addFile('000000010000000000000001.00000028.backup', 'x');
    fixture.addFile('README', 'x');
    fixture.addFile('000000010000000000000009', '');
    const archive = await listArchive(fixture.store, signal);
    expect(archive).toMatchObject({
      segmentSize: 2 ** 20,
      segmentCount: 4,
      partials: ['000000010000000000000004.partial'],
      strays: ['wal_005/000000010000000000000009', 'wal_005/README'],
    });
    expect([...archive.segments]).toEqual([[1, [{ first: 1n, last: 4n }]]]);
    expect(archive.histories.get(2)).toMatchObject([{ timeline: 1, switchLsn: 0x300000n }]);
  });

  it('lists history files that cannot be read beside those that can', async () => {
    const fixture = new ArchiveFixture();
    fixture.addFile('00000002.history', 'garbage');
    fixture.addFile('00000003.history', '1\t0/300000\tno recovery target specified\n');
    fixture.addFile('00000004.history.lz4', 'no LZ4 frame');
    const archive = await listArchive(fixture.store, signal);
    expect([...archive.histories.keys()]).toEqual([3]);
    expect([...archive.damagedHistories.values()]).toEqual([
      {
        timeline: 2,
        key: 'wal_005/00000002.history',
        reason: expect.stringMatching(/^wal_005\/00000002\.history: .* line "garbage" is not one/),
      },
      expect.objectContaining({
        timeline: 4,
        reason: expect.stringContaining('wal_005/00000004.history.lz4'),
      }),
    ]);
    expect(() => requireHistories(archive)).toThrow(
      expect.objectContaining({
        code: 'object-damaged',
        details: { key: 'wal_005/00000002.history', timeline: 2 },
        hint: expect.stringContaining('pg_wal'),
      }),
    );
  });

  it('reads of several copies of a history file the one that recovery gets', async () => {
    for (const names of [
      ['', '.lz4'],
      ['.lz4', '.zst'],
    ]) {
      const fixture = new ArchiveFixture();
      for (const extension of names) fixture.addFile(`00000002.history${extension}`, 'garbage');
      const { damagedHistories } = await listArchive(fixture.store, signal);
      expect(damagedHistories.get(2)?.key).toBe('wal_005/00000002.history.lz4');
    }
  });

  it('reads the segment size from a segment and does not guess it', async () => {
    const fixture = new ArchiveFixture();
    fixture.addFile('000000010000000000000001', 'no segment');
    await expect(listArchive(fixture.store, signal)).rejects.toSatisfy((error) =>
      isPgarcError(error, 'object-damaged'),
    );
    expect((await listArchive(fixture.store, signal, { segmentSize: 2 ** 24 })).segmentSize).toBe(2 ** 24);
  });

  it('refuses names that no segment of the size can have', async () => {
    const fixture = new ArchiveFixture();
    const writer = new WalWriter({ segmentSize: 2 ** 24, start: 2n ** 24n });
    writer.fill(8);
    fixture.addSegments(writer);
    fixture.addFile('000000010000000000000FFF', 'of a cluster with smaller segments');
    await expect(listArchive(fixture.store, signal, { segmentSize: 2 ** 24 })).rejects.toThrow(/16 MiB/);
  });

  it('lists an empty archive', async () => {
    const archive = await listArchive(new ArchiveFixture().store, signal);
    expect(archive).toMatchObject({ segmentCount: 0, storedBytes: 0 });
  });
});

describe('verifyWal', () => {
  function writeArchive(without: bigint[]): ArchiveFixture {
    const writer = new WalWriter();
    for (let minute = 0; minute < 10; minute++) {
      writer.fill(2 ** 20);
      writer.commit(minute, at(minute));
    }
    return new ArchiveFixture().addSegments(writer, { without });
  }
  const backup = makeBackup('a', 0x400000n, 0x400800n, 3);

  it('finds one window without a gap', async () => {
    const { store } = writeArchive([]);
    const report = await verifyWal({ store, backups: [backup] }, signal);
    expect(report).toMatchObject({
      ok: true,
      current: 1,
      timelines: [{ timeline: 1, segments: 11n, first: 1n, last: 11n, gaps: [] }],
      windows: [{ from: { lsn: 0x400800n, time: at(3) }, to: { time: at(9) }, backups: ['a'] }],
      broken: [],
    });
  });

  it('ends a window at a gap and fails', async () => {
    const { store } = writeArchive([7n]);
    const later = makeBackup('b', 0x900000n, 0x900800n, 8);
    const report = await verifyWal({ store, backups: [backup, later] }, signal);
    expect(report).toMatchObject({
      ok: false,
      timelines: [{ gaps: [{ first: 7n, last: 7n, place: 'window' }] }],
      windows: [
        { to: { time: at(4) }, backups: ['a'] },
        { from: { time: at(8) }, to: { time: at(9) }, backups: ['b'] },
      ],
    });
  });

  it('ends a window before a damaged segment at its end, and fails', async () => {
    const { store } = writeArchive([]);
    const last = '00000001000000000000000B';
    store.objects.set(`wal_005/${last}.lz4`, Buffer.from('no LZ4 frame'));
    store.objects.delete(`wal_005/${last}`);
    const report = await verifyWal({ store, backups: [backup] }, signal);
    expect(report).toMatchObject({ ok: false, windows: [{ to: { time: at(8) }, damaged: [last] }] });
  });

  it('fails for a history file that cannot be read, and tells the rest', async () => {
    const fixture = writeArchive([]).addFile('00000003.history', '3\t0/0\titself\n');
    const { store } = fixture;
    const report = await verifyWal({ store, backups: [backup] }, signal);
    expect(report).toMatchObject({
      ok: false,
      current: 1,
      windows: [{ timeline: 1, to: { time: at(9) }, backups: ['a'] }],
      broken: [],
    });
    expect(report.archive.damagedHistories.get(3)?.key).toBe('wal_005/00000003.history');
    const own = makeBackup('c', 0x400000n, 0x400800n, 3, 3);
    const onIt = await verifyWal({ store, backups: [own] }, signal);
    expect(onIt).toMatchObject({ ok: false, windows: [], broken: [{ name: 'c', live: true }] });
    // Not even with all of its WAL: recovery begins with the history file.
    const third = new WalWriter({ start: 0x400000n, timeline: 3 });
    third.fill(2 ** 20);
    fixture.addSegments(third);
    expect(await verifyWal({ store, backups: [own] }, signal)).toMatchObject({ ok: false, windows: [] });
  });

  it('does not mind a gap that no backup needs', async () => {
    const { store } = writeArchive([2n]);
    expect((await verifyWal({ store, backups: [backup] }, signal)).ok).toBe(true);
  });

  it('fails for a backup that cannot be recovered', async () => {
    const { store } = writeArchive([4n]);
    const report = await verifyWal({ store, backups: [backup] }, signal);
    expect(report).toMatchObject({ ok: false, windows: [], broken: [{ name: 'a', live: true }] });
  });
});
