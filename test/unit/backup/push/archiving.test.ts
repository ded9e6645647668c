import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ArchivingDeps, proveArchiving, requireWal } from '../../../../src/backup/push/archiving.ts';
import { formatLsn } from '../../../../src/postgres/lsn.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';
import type { WalWriter } from '../../wal/wal-writer.ts';
import { MemoryStore } from '../memory-store.ts';
import { writeBackupWal } from './backup-wal.ts';

const { signal } = new AbortController();
const FIRST = '000000010000000000000001';
const LAST = '000000010000000000000002';

// Over two segments.
const ours = writeBackupWal({ during: 2 ** 20, noise: 1 });
const foreign = writeBackupWal({ during: 2 ** 20 + 800, noise: 2 });
const label = `START WAL LOCATION: ${formatLsn(ours.startLsn)} (file ${FIRST})
CHECKPOINT LOCATION: ${formatLsn(ours.checkpointLsn)}
BACKUP FROM: primary
START TIMELINE: 1
`;
const OTHERS = { code: 'failed', message: expect.stringContaining("another server's, not that of") };

let store: MemoryStore;
let pgdata: string;
beforeEach(async () => {
  store = new MemoryStore();
  pgdata = await makeTemporaryFolder('data');
  await mkdir(join(pgdata, 'pg_wal'));
});

async function archive({ writer }: { writer: WalWriter }): Promise<void> {
  for (const [number, bytes] of writer.segments()) await store.put(`wal_005/${nameOf(number)}`, bytes);
}

async function keep({ writer }: { writer: WalWriter }): Promise<void> {
  for (const [number, bytes] of writer.segments()) {
    await writeFile(join(pgdata, 'pg_wal', nameOf(number)), bytes);
  }
}

function nameOf(number: bigint): string {
  return `00000001000000000000000${number}`;
}

function makeDeps({ inRecovery = false, replayed = ours.stopLsn } = {}): ArchivingDeps {
  const query = async () => [{ lsn: formatLsn(replayed) }];
  const session = { query };
  const facts = { inRecovery, segmentSize: 2 ** 20 };
  return { store, session, facts, pgdata, emit: () => undefined } as unknown as ArchivingDeps;
}

const prove = (deps = makeDeps()) =>
  proveArchiving(deps, { timeline: 1, startLsn: ours.startLsn }, 1_000, signal);
const requireAll = (deps = makeDeps(), backupLabel = label) =>
  requireWal(deps, { ...ours, timeline: 1, backupLabel }, 1_000, signal);

describe('a backup’s WAL in the archive', () => {
  it('is taken when it is what the server has in pg_wal', async () => {
    await archive(ours);
    await keep(ours);
    await expect(prove()).resolves.toBeUndefined();
    await expect(requireAll()).resolves.toBeUndefined();
  });

  it('is not taken when another server stored it, and says from which byte on', async () => {
    await archive(foreign);
    await keep(ours);
    await expect(prove()).rejects.toMatchObject({
      ...OTHERS,
      details: { segment: FIRST },
      hint: expect.stringContaining('copy of this cluster'),
    });
    await expect(requireAll()).rejects.toMatchObject({ ...OTHERS, details: { segment: LAST } });
    // Under any of its names.
    await archive(ours);
    await store.put(`wal_005/${FIRST}.lz4`, Buffer.from('not ours'));
    await expect(prove()).rejects.toThrow();
  });

  it('is judged by its records where pg_wal has it no longer', async () => {
    await archive(ours);
    await expect(prove()).resolves.toBeUndefined();
    await expect(requireAll()).resolves.toBeUndefined();
    await archive(foreign);
    await expect(requireAll()).rejects.toMatchObject(OTHERS);
  });

  it('is judged so too where the file became another segment’s meanwhile', async () => {
    await archive(ours);
    await keep(foreign);
    const path = (name: string) => join(pgdata, 'pg_wal', name);
    store.beforeGet = () => rename(path(LAST), path('000000010000000000000009')).catch(() => undefined);
    await expect(requireAll()).resolves.toBeUndefined();
  });

  it('need be the standby’s only as far as that has it', async () => {
    await archive(ours);
    const bytes = Buffer.from(ours.writer.segments().get(2n)!);
    bytes.fill(0xee, Number(ours.stopLsn - 0x200000n));
    await writeFile(join(pgdata, 'pg_wal', LAST), bytes);
    const deps = makeDeps({ inRecovery: true });
    await expect(requireAll(deps)).resolves.toBeUndefined();
    bytes.fill(0xee, Number(ours.stopLsn - 0x200001n));
    await writeFile(join(pgdata, 'pg_wal', LAST), bytes);
    await expect(requireAll(deps)).rejects.toMatchObject(OTHERS);

    await keep(foreign);
    await expect(prove(makeDeps({ inRecovery: true, replayed: 0x100028n }))).resolves.toBeUndefined();
    await expect(prove(deps)).rejects.toMatchObject(OTHERS);
  });
});
