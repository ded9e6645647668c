import type { Backup } from '../../../src/backup/catalog.ts';
import type { Facts, Leader } from '../../../src/replica/facts.ts';
import type { Segments } from '../../../src/wal/gaps.ts';

export const SEGMENT = 16n * 2n ** 20n;
export const MB = 2n ** 20n;
export const CLUSTER = 7_000_000_000_000_000_001n;

/** A full backup of 1000 MiB that lies within the second half of segment 10. */
export function backup(given: Partial<Backup> = {}): Backup {
  const startLsn = given.startLsn ?? 10n * SEGMENT + 40n;
  return {
    name: 'base_00000001000000000000000A',
    kind: 'full',
    startLsn,
    finishLsn: startLsn + 1000n,
    timeline: 1,
    systemIdentifier: CLUSTER,
    startTime: undefined,
    finishTime: new Date('2026-11-21T12:00:00Z'),
    uncompressedSize: Number(1000n * MB),
    storedSize: 100,
    dataSize: Number(1000n * MB),
    pgVersion: 150_020,
    permanent: false,
    hostname: 'h',
    dataDir: '/pg',
    parent: undefined,
    fullName: undefined,
    deltaCount: undefined,
    userData: undefined,
    usable: true,
    warnings: [],
    ...given,
  };
}

/** A leader so many bytes behind the start of `backup()`. */
export function leader(
  bytesLater: bigint,
  given: Partial<Extract<Leader, { kind: 'reached' }>> = {},
): Extract<Leader, { kind: 'reached' }> {
  return {
    kind: 'reached',
    address: 'db1:5432',
    systemIdentifier: CLUSTER,
    timeline: 1,
    lsn: 10n * SEGMENT + 40n + bytesLater,
    inRecovery: false,
    history: [],
    ...given,
  };
}

/** Stored segments by timeline, as pairs of first and last. */
export function archive(
  segments: Record<number, [number, number][]>,
  histories: Segments['histories'] = new Map(),
) {
  return {
    segmentSize: Number(SEGMENT),
    segments: new Map(
      Object.entries(segments).map(([timeline, ranges]) => [
        Number(timeline),
        ranges.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) })),
      ]),
    ),
    histories,
  } satisfies Segments;
}

/** A leader 100 MiB behind the one backup there is, whose WAL is stored; thresholds of 10240 MiB and 30 %. */
export function facts(given: Partial<Facts> = {}): Facts {
  return {
    leader: leader(100n * MB),
    noLeader: false,
    thresholds: { megabytes: 10_240, percentage: 30 },
    backups: [backup()],
    archive: archive({ 1: [[1, 15]] }),
    archiveOwner: CLUSTER,
    ...given,
  };
}
