import { beforeEach, describe, expect, it } from 'vitest';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { listArchive } from '../../../src/wal/archive.ts';
import { findDamageAtEnd, findPath } from '../../../src/wal/recovery-path.ts';
import { StoredWal } from '../../../src/wal/stored-wal.ts';
import { resolveTarget, type Target, type TargetRequest } from '../../../src/wal/targets.ts';
import { formatTargetTime, formatTimestamp } from '../../../src/wal/timestamp.ts';
import { type BackupSpan, findWindows, measureWindow } from '../../../src/wal/window.ts';
import { ArchiveFixture, at, makeBackup } from './stored-archive.ts';
import { WalWriter } from './wal-writer.ts';

const { signal } = new AbortController();

/** Backup a at minute 10, b at 40; commits every five minutes; a restore point at 22; quiet from 50 on. */
let fixture: ArchiveFixture;
let writer: WalWriter;
let backups: BackupSpan[];
let commits: Map<number, bigint>;

beforeEach(() => {
  fixture = new ArchiveFixture();
  writer = new WalWriter();
  commits = new Map();
  backups = [];
  for (let minute = 5; minute <= 50; minute += 5) {
    const start = writer.fill(300_000);
    commits.set(minute, writer.commit(minute, at(minute)));
    if (minute === 10) backups.push(makeBackup('a', start, writer.lsn, 10));
    if (minute === 40) backups.push(makeBackup('b', start, writer.lsn, 40));
    if (minute === 20) writer.restorePoint('release', at(22));
  }
});

async function resolve(target: Target, more: Partial<TargetRequest> = {}) {
  const archive = await listArchive(fixture.store, signal);
  const result = await resolveTarget(
    { store: fixture.store, archive, backups },
    { target, timeline: 'latest', ...more },
    signal,
  );
  return result.reachable ? { ...result, backup: result.backup.name } : result;
}

function store(without: bigint[] = []): void {
  fixture.addSegments(writer, { without });
}

describe('resolveTarget', () => {
  it('takes the newest backup when there is no target', async () => {
    store();
    const result = await resolve({ kind: 'none' });
    expect(result).toMatchObject({ backup: 'b', settings: { recovery_target_timeline: 'latest' } });
    expect(result.newest).toEqual({ timeline: 1, lsn: writer.lsn, time: at(50) });
  });

  it('takes the newest backup that is complete before a time', async () => {
    store();
    expect(await resolve({ kind: 'time', time: at(45) })).toMatchObject({
      backup: 'b',
      settings: { recovery_target_time: formatTargetTime(at(45)) },
    });
    expect(await resolve({ kind: 'time', time: at(40) })).toMatchObject({ backup: 'b' });
    expect(await resolve({ kind: 'time', time: at(40) - 1 })).toMatchObject({ backup: 'a' });
  });

  it('refuses a time behind the last transaction and names that', async () => {
    store();
    const result = await resolve({ kind: 'time', time: at(50) + 1 });
    expect(result.reachable).toBe(false);
    expect(result).toMatchObject({ newest: { time: at(50) } });
    expect(result).toHaveProperty('reason', expect.stringContaining(formatTimestamp(at(50))));
  });

  it('accepts the time it names, which no later transaction would reach', async () => {
    store();
    expect(await resolve({ kind: 'time', time: at(50) })).toMatchObject({
      backup: 'b',
      settings: { recovery_target_lsn: formatLsn(commits.get(50)!) },
    });
  });

  it('accepts a time in a quiet spell that a restore point or a newer backup follows', async () => {
    writer.restorePoint('later', at(55));
    const start = writer.fill(500);
    backups.push(makeBackup('c', start, writer.lsn, 60));
    store();
    const last = formatLsn(commits.get(50)!);
    for (const minute of [53, 58]) {
      expect(await resolve({ kind: 'time', time: at(minute) })).toMatchObject({
        backup: 'b',
        settings: { recovery_target_lsn: last },
      });
    }
    expect(await resolve({ kind: 'time', time: at(61) })).toMatchObject({ reachable: false });
  });

  it('refuses a time before the oldest backup and names that', async () => {
    store();
    const result = await resolve({ kind: 'time', time: at(9) });
    expect(result).toMatchObject({ reachable: false, oldest: { time: at(10) } });
    expect(result).toHaveProperty('hint', expect.stringContaining('choose a later moment'));
    expect(result).toHaveProperty('reason', expect.stringContaining(formatTimestamp(at(10))));
  });

  it('refuses a time behind a gap', async () => {
    store([BigInt(commits.get(30)! / 0x100000n)]);
    expect(await resolve({ kind: 'time', time: at(45) })).toMatchObject({ backup: 'b' });
    const result = await resolve({ kind: 'time', time: at(35) });
    expect(result).toMatchObject({ reachable: false });
    expect(result).toHaveProperty('reason', expect.stringContaining('where WAL is missing'));
  });

  it('passes over a backup of which WAL is missing', async () => {
    store([backups[1]!.startLsn / 0x100000n]);
    const result = await resolve({ kind: 'none' });
    expect(result).toMatchObject({ backup: 'a', skipped: [{ name: 'b' }] });
    expect(await resolve({ kind: 'none' }, { backup: 'b' })).toMatchObject({ reachable: false });
  });

  it('reaches an LSN from its backup up to the start of the last record', async () => {
    store();
    const last = commits.get(50)!;
    expect(await resolve({ kind: 'lsn', lsn: last })).toMatchObject({
      backup: 'b',
      settings: { recovery_target_lsn: formatLsn(last) },
    });
    expect(await resolve({ kind: 'lsn', lsn: last + 8n })).toMatchObject({
      reachable: false,
      newest: { lsn: last },
    });
    expect(await resolve({ kind: 'lsn', lsn: commits.get(20)! })).toMatchObject({ backup: 'a' });
    expect(await resolve({ kind: 'lsn', lsn: 0x100000n })).toMatchObject({ reachable: false });
  });

  it('looks for a transaction and a restore point', async () => {
    store();
    expect(await resolve({ kind: 'xid', xid: 45 })).toMatchObject({ backup: 'b', checked: true });
    expect(await resolve({ kind: 'xid', xid: 25 })).toMatchObject({
      backup: 'a',
      settings: { recovery_target_xid: '25' },
    });
    expect(await resolve({ kind: 'xid', xid: 25, full: 2n ** 32n + 25n })).toMatchObject({
      settings: { recovery_target_xid: '25' },
    });
    expect(await resolve({ kind: 'name', name: 'release' })).toMatchObject({
      backup: 'a',
      settings: { recovery_target_name: 'release' },
    });
    expect(await resolve({ kind: 'name', name: 'nothing' })).toMatchObject({ reachable: false });
    expect(await resolve({ kind: 'xid', xid: 5 })).toMatchObject({
      reachable: false,
      reason: expect.stringContaining(formatTimestamp(at(50))),
      hint: expect.stringContaining('end of the archived WAL'),
    });
    expect(await resolve({ kind: 'xid', xid: 25 }, { backup: 'b' })).toMatchObject({ reachable: false });
  });

  it('stops where a backup is consistent', async () => {
    store();
    expect(await resolve({ kind: 'immediate' })).toMatchObject({
      backup: 'b',
      settings: { recovery_target: 'immediate' },
    });
  });

  it('says so when there is nothing to restore', async () => {
    store();
    backups = [];
    expect(await resolve({ kind: 'none' })).toMatchObject({
      reachable: false,
      reason: 'the archive holds no backup that can be restored',
    });
  });
});

describe('timelines', () => {
  /** Timeline 2 leaves timeline 1 behind the commit of minute 30, and has commits at 60 and 70. */
  function branch(): bigint {
    const switchLsn = commits.get(35)! - 200_000n;
    const start = switchLsn - (switchLsn % 0x100000n);
    const second = new WalWriter({ start, timeline: 2 });
    second.fill(Number(switchLsn - start));
    second.commit(60, at(60));
    second.commit(70, at(70));
    fixture.addSegments(second);
    fixture.addFile('00000002.history', `1\t${formatLsn(switchLsn)}\tno recovery target specified\n`);
    return switchLsn;
  }

  it('follows latest, current and a number as PostgreSQL does', async () => {
    store();
    branch();
    // Backup b lies on the branch that was left: latest leads past it.
    expect(await resolve({ kind: 'none' })).toMatchObject({
      backup: 'a',
      timeline: 2,
      newest: { time: at(70) },
    });
    expect(await resolve({ kind: 'none' }, { timeline: 'current' })).toMatchObject({
      backup: 'b',
      timeline: 1,
    });
    expect(await resolve({ kind: 'none' }, { timeline: 2 })).toMatchObject({ backup: 'a', timeline: 2 });
    expect(await resolve({ kind: 'time', time: at(65) })).toMatchObject({ backup: 'a', timeline: 2 });
    expect(await resolve({ kind: 'none' }, { timeline: 7 })).toMatchObject({
      reachable: false,
      reason: expect.stringContaining('no history file of timeline 7'),
    });
    expect(await resolve({ kind: 'none' }, { backup: 'b' })).toMatchObject({
      reachable: false,
      reason: expect.stringContaining('timeline 2 does not continue timeline 1'),
    });
  });

  it('does not decide by a history file that cannot be read', async () => {
    store();
    branch();
    fixture.addFile('00000003.history', 'garbage');
    const damaged = expect.objectContaining({ key: 'wal_005/00000003.history' });
    for (const timeline of ['latest', 3] as const) {
      expect(await resolve({ kind: 'none' }, { timeline })).toMatchObject({
        reachable: false,
        skipped: [
          { name: 'b', damaged },
          { name: 'a', damaged },
        ],
      });
    }
    // On the way to a timeline before it nobody asks for it.
    expect(await resolve({ kind: 'none' }, { timeline: 2 })).toMatchObject({ backup: 'a', timeline: 2 });
    expect(await resolve({ kind: 'none' }, { timeline: 'current' })).toMatchObject({
      backup: 'b',
      timeline: 1,
    });
  });

  it('asks for the history files of all timelines on the way up, and of none below', async () => {
    store();
    fixture.addFile('00000002.history', 'garbage');
    fixture.addFile('00000003.history', `1\t${formatLsn(writer.lsn)}\tx\n`);
    expect(await resolve({ kind: 'none' }, { timeline: 3 })).toMatchObject({
      reachable: false,
      skipped: [{ damaged: { timeline: 2 } }, { damaged: { timeline: 2 } }],
    });
    const archive = await listArchive(fixture.store, signal);
    const late = makeBackup('c', writer.lsn, writer.lsn + 8n, 60, 3);
    expect(findPath(archive, late, 'latest')).toMatchObject({ timeline: 3 });
    expect(findDamageAtEnd(archive, 1)).toMatchObject({ timeline: 2 });
    expect(findDamageAtEnd(archive, 3)).toBeUndefined();
    // Its own, from which recovery begins, is asked for too.
    const on2 = makeBackup('d', writer.lsn, writer.lsn + 8n, 60, 2);
    expect(findPath(archive, on2, 'current')).toContain('00000002.history');
  });

  it('does not count what the old timeline wrote after it was left', async () => {
    store();
    const switchLsn = branch();
    for (const key of [...fixture.store.objects.keys()]) {
      if (key.startsWith('wal_005/000000020')) fixture.store.objects.delete(key);
    }
    const result = await resolve({ kind: 'none' });
    expect(result.newest?.lsn).toBeLessThanOrEqual(switchLsn);
    expect(result.newest?.time).toBe(at(30));
  });

  it('gives each timeline its window', async () => {
    store();
    branch();
    const archive = await listArchive(fixture.store, signal);
    const wal = new StoredWal(fixture.store);
    const spans = findWindows(archive, backups);
    const windows = await Promise.all(spans.map((span) => measureWindow({ wal, archive }, span, signal)));
    expect(windows).toMatchObject([
      { timeline: 1, from: { time: at(10) }, to: { timeline: 1, time: at(50) }, backups: ['a', 'b'] },
      { timeline: 2, from: { time: at(10) }, to: { timeline: 2, time: at(70) }, backups: ['a'] },
    ]);
  });
});
