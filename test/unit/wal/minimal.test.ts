import { beforeEach, describe, expect, it } from 'vitest';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { listArchive } from '../../../src/wal/archive.ts';
import { resolveTarget, type Target, type TargetRequest } from '../../../src/wal/targets.ts';
import { verifyWal } from '../../../src/wal/verify.ts';
import type { BackupSpan } from '../../../src/wal/window.ts';
import { ArchiveFixture, at, makeBackup } from './stored-archive.ts';
import { WalWriter } from './wal-writer.ts';

const { signal } = new AbortController();

let fixture: ArchiveFixture;
let writer: WalWriter;
let backups: BackupSpan[];
/** Where wal_level becomes minimal, and the last commit before. */
let minimal: bigint;
let lastCommit: bigint;

beforeEach(() => {
  fixture = new ArchiveFixture();
  writer = new WalWriter();
  const start = writer.fill(1000);
  backups = [makeBackup('a', start, writer.lsn, 10)];
  for (let minute = 15; minute <= 30; minute += 5) {
    writer.fill(300_000);
    lastCommit = writer.commit(minute, at(minute));
  }
});

/** Minute 31 to 39: minimal. Then two more commits, and so much WAL that the change is not near the end. */
function interlude({ shutdown }: { shutdown: boolean }): void {
  if (shutdown) writer.switchSegment();
  writer.fill(100);
  minimal = writer.levelChange(0);
  writer.commit(35, at(35));
  writer.levelChange(1);
  for (const minute of [40, 50]) {
    writer.fill(3 * 2 ** 20);
    writer.commit(minute, at(minute));
  }
}

function backUp(minute: number): void {
  const start = writer.fill(1000);
  backups.push(makeBackup('b', start, writer.lsn, minute));
}

async function resolve(target: Target, more: Partial<TargetRequest> = {}) {
  const archive = await listArchive(fixture.addSegments(writer).store, signal);
  const deps = { store: fixture.store, archive, backups };
  const result = await resolveTarget(deps, { target, timeline: 'latest', ...more }, signal);
  return result.reachable ? { ...result, backup: result.backup.name } : result;
}

const refused = () => ({
  reachable: false,
  reason: expect.stringContaining(`LSN ${formatLsn(minimal)} on was written with wal_level = minimal`),
  hint: expect.stringContaining('only in a backup taken since'),
});

describe('behind a server that was shut down to go over to minimal', () => {
  it('nothing is reached, and all before is', async () => {
    interlude({ shutdown: true });
    for (const target of [
      { kind: 'none' },
      { kind: 'time', time: at(45) },
      { kind: 'lsn', lsn: minimal + 8n },
      { kind: 'xid', xid: 40 },
      { kind: 'name', name: 'x' },
    ] as const) {
      expect(await resolve(target)).toMatchObject(refused());
    }
    for (const target of [
      { kind: 'time', time: at(22) },
      { kind: 'time', time: at(30) },
      { kind: 'lsn', lsn: lastCommit },
      { kind: 'xid', xid: 25 },
      { kind: 'immediate' },
    ] as const) {
      expect(await resolve(target)).toMatchObject({ reachable: true, backup: 'a' });
    }
    const none = await resolve({ kind: 'none' });
    const lsn = none.newest!.lsn;
    expect(none).toHaveProperty('hint', expect.stringContaining(`--target-lsn ${formatLsn(lsn)}`));
    expect(lsn).toBeGreaterThan(lastCommit);
    expect(lsn).toBeLessThan(minimal);
    expect(await resolve({ kind: 'lsn', lsn })).toMatchObject({ reachable: true });
  });

  it('a backup taken since leads on', async () => {
    interlude({ shutdown: true });
    backUp(55);
    writer.commit(60, at(60));
    expect(await resolve({ kind: 'none' })).toMatchObject({ reachable: true, backup: 'b' });
    expect(await resolve({ kind: 'none' }, { backup: 'a' })).toMatchObject(refused());
    expect(await resolve({ kind: 'time', time: at(57) })).toMatchObject({ reachable: true, backup: 'b' });
    // Alive as the archive was when the newer one was taken: what happened between is lost.
    expect(await resolve({ kind: 'time', time: at(45) })).toMatchObject(refused());
    expect(await resolve({ kind: 'time', time: at(22) })).toMatchObject({ reachable: true, backup: 'a' });
  });
});

describe('behind a server that crashed before', () => {
  it('what is looked for record by record is not found', async () => {
    interlude({ shutdown: false });
    expect(await resolve({ kind: 'xid', xid: 40 })).toMatchObject(refused());
    expect(await resolve({ kind: 'xid', xid: 25 })).toMatchObject({ reachable: true });
  });

  it('nothing is reached where the end of the WAL tells of it', async () => {
    writer.fill(100);
    minimal = writer.levelChange(0);
    writer.levelChange(1);
    expect(await resolve({ kind: 'none' })).toMatchObject(refused());
    writer.commit(40, at(40));
    backUp(41);
    expect(await resolve({ kind: 'time', time: at(40) })).toMatchObject(refused());
    expect(await resolve({ kind: 'time', time: at(30) - 1 })).toMatchObject({ backup: 'a' });
  });
});

describe('wal-verify', () => {
  const verify = async (extent: 'end' | 'whole') =>
    verifyWal({ store: fixture.addSegments(writer).store, backups }, signal, extent);

  it.each([true, false])(
    'ends a window there when it reads all records (shut down: %s)',
    async (shutdown) => {
      interlude({ shutdown });
      expect(await verify('whole')).toMatchObject({
        ok: false,
        windows: [{ to: { lsn: minimal, time: at(30) }, minimalLsn: minimal, backups: ['a'] }],
      });
      backUp(55);
      writer.commit(60, at(60));
      expect((await verify('whole')).windows).toMatchObject([
        { to: { lsn: minimal }, minimalLsn: minimal, backups: ['a'] },
        { from: { time: at(55) }, to: { time: at(60) }, minimalLsn: undefined, backups: ['b'] },
      ]);
      backups.shift();
      expect((await verify('whole')).ok).toBe(true);
    },
  );

  it('meets it near the end anyway', async () => {
    minimal = writer.levelChange(0);
    writer.levelChange(1);
    expect(await verify('end')).toMatchObject({ ok: false, windows: [{ minimalLsn: minimal }] });
    // A backup that ends with the archive has nothing behind it to read.
    backUp(41);
    expect((await verify('end')).windows).toMatchObject([{ backups: ['a'] }, { backups: ['b'] }]);
  });
});
