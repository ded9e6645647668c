import { isPgarcError } from '../errors.ts';
import { type BackupLabel, parseBackupLabel } from '../postgres/backup-label.ts';
import { isKnownVersion } from '../postgres/version.ts';
import type { ObjectStore } from '../store/store.ts';
import { walKey } from '../wal/keys.ts';
import { findWalKeys } from '../wal/read-object.ts';
import type { Backup } from './catalog.ts';
import { fittingSegmentSizes, requiredSegments, segmentSizeOf, walStart } from './catalog-segments.ts';
import type { CountBytes } from './fetch/read-part.ts';
import { filesMetadataKey, sentinelKey } from './format/keys.ts';
import { mapParallel } from './map-parallel.ts';
import type { Failure } from './verify.ts';
import { planVerification, verifyMembers, verifyPart } from './verify-parts.ts';
import { readSegmentSize, verifySegment } from './verify-wal.ts';
import { findWrongSegment } from './wal-of-backup.ts';

/** Segments that have been read, and what is wrong with them. Backups share some. */
export type CheckedWal = Map<string, Failure | undefined>;

export interface VerifyContext {
  store: ObjectStore;
  /** Undefined when it is not known. */
  systemIdentifier: bigint | undefined;
  /** The archive's size of WAL segments as far as the catalog tells, bytes. */
  likely: number;
  wal: CheckedWal;
  /** Objects read at the same time. */
  concurrency: number;
  count: CountBytes;
}

export interface VerifiedBackup {
  failures: readonly Failure[];
  parts: number;
  /** Files whose checksum was compared with a manifest. */
  checksummedFiles: number;
}

/**
 * Reads back every object of one backup and the WAL from its start to its stop, except what was read before.
 * @throws PgarcError `no-such-backup` when it is gone by now, `store-unreachable`
 */
export async function verifyBackup(
  { store, systemIdentifier, likely, wal, concurrency, count }: VerifyContext,
  backup: Backup,
  signal: AbortSignal,
): Promise<VerifiedBackup> {
  const failures: Failure[] = [];
  const plan = await collect(failures, sentinelKey(backup.name), () =>
    planVerification(store, backup, signal),
  );
  const segmentSize = await findSegmentSize(store, backup, likely, signal);
  const segments = requiredSegments(backup, segmentSize);
  const tasks: ((each: AbortSignal) => Promise<void>)[] = [];
  for (const part of plan?.parts ?? []) {
    tasks.push((each) => collect(failures, part.key, () => verifyPart(store, plan!, part, count, each)));
  }
  for (const name of segments) {
    if (wal.has(name)) continue;
    tasks.push(async (each) => {
      wal.set(name, await verifySegment(store, name, systemIdentifier, count, each));
    });
  }
  await mapParallel(tasks, concurrency, (task, each) => task(each), signal);
  if (plan !== undefined) {
    const members = () => verifyMembers(store, plan, failures, signal);
    failures.push(...((await collect(failures, filesMetadataKey(backup.name), members)) ?? []));
  }
  const damaged = segments.flatMap((name) => wal.get(name) ?? []);
  failures.push(...damaged);
  if (damaged.length === 0) {
    const foreign = () => findForeignWal(store, backup, segmentSize, plan?.label, signal);
    failures.push(...((await collect(failures, sentinelKey(backup.name), foreign)) ?? []));
  }
  return {
    failures,
    parts: plan?.parts.length ?? 0,
    checksummedFiles: plan?.contents.manifest?.files.length ?? 0,
  };
}

/** The size of a backup's WAL segments, bytes: where its name leaves several, the first segment tells. */
async function findSegmentSize(
  store: ObjectStore,
  backup: Backup,
  likely: number,
  signal: AbortSignal,
): Promise<number> {
  const isClear = fittingSegmentSizes(backup).length <= 1;
  const told = isClear ? undefined : await readSegmentSize(store, walStart(backup).segment, signal);
  return segmentSizeOf(backup, told ?? likely);
}

/**
 * Finds out whether the WAL is that of the server that was backed up: each segment may be in order and yet be
 * another's, of a copy of the cluster that archived under the same prefix. Without a label, as in WAL-E's
 * backups, and before PostgreSQL 13 nothing is known.
 */
async function findForeignWal(
  store: ObjectStore,
  backup: Backup,
  segmentSize: number,
  text: string | undefined,
  signal: AbortSignal,
): Promise<Failure[]> {
  const label = text === undefined ? undefined : readLabel(text);
  const { startLsn, finishLsn: stopLsn, pgVersion = 0 } = backup;
  if (label === undefined || stopLsn === undefined || !isKnownVersion(pgVersion)) return [];
  const wanted = { ...label, startLsn, stopLsn, segmentSize };
  const wrong = await findWrongSegment(store, wanted, signal);
  if (wrong === undefined) return [];
  const [key = walKey(wrong.segment, '')] = await findWalKeys(store, wrong.segment, signal);
  return [{ key, reason: `${wrong.reason}: it is not of the server that ${backup.name} was taken of` }];
}

function readLabel(text: string): BackupLabel | undefined {
  try {
    return parseBackupLabel(text);
  } catch {
    return undefined;
  }
}

/** Runs `check`; what is wrong with an object becomes a failure, everything else is thrown on. */
async function collect<T>(failures: Failure[], key: string, check: () => Promise<T>): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!isPgarcError(error, 'object-damaged') && !isPgarcError(error, 'object-missing')) throw error;
    const named = error.details?.key;
    failures.push({ key: typeof named === 'string' ? named : key, reason: error.message });
    return undefined;
  }
}
