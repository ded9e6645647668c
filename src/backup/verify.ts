import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Backup, findBackup, listBackups } from './catalog.ts';
import { likelySegmentSize, requiredSegments, segmentSizeOf } from './catalog-segments.ts';
import { resolveChain } from './fetch/chain.ts';
import { Progress } from './fetch/progress.ts';
import { sentinelKey } from './format/keys.ts';
import { type CheckedWal, verifyBackup } from './verify-backup.ts';

export interface VerifyOptions {
  /** A name or LATEST; undefined verifies every backup. */
  name: string | undefined;
  /** Objects read at the same time. */
  concurrency: number;
}

/** An object that cannot be restored from, and why. */
export interface Failure {
  key: string;
  reason: string;
}

export interface VerifyResult {
  /** Names, with the backups that deltas are built on; oldest first. */
  backups: readonly string[];
  /** Names of those that were deleted meanwhile, of which nothing is said. */
  deleted: readonly string[];
  failures: readonly Failure[];
  /** Objects read, the WAL from start to stop among them. */
  objects: number;
  segments: number;
  /** Files whose checksum was compared with a manifest. */
  checksummedFiles: number;
  bytes: number;
  storedBytes: number;
  durationMs: number;
}

/**
 * Reads back every object of backups and the WAL that makes them consistent, and checks all of it: that it is
 * complete, decompresses, unpacks and matches its checksums. Goes on after a failure.
 * @throws PgarcError `no-such-backup`, `store-unreachable`
 */
export async function verifyBackups(
  deps: { store: ObjectStore; emit: Emit },
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const started = performance.now();
  const { store, emit } = deps;
  const all = await listBackups(store, signal);
  const found: Found = { failures: new Map(), gone: new Set(), wal: new Map() };
  const asked = options.name === undefined ? undefined : findBackup(all, options.name);
  const backups = selectBackups(all, asked, found);
  emit({
    type: 'phase',
    operation: 'verify',
    text: `verifying ${backups.length} backup${backups.length === 1 ? '' : 's'}`,
  });

  const likely = likelySegmentSize(all);
  const progress = new Progress(emit, 'verify', sumBytes(backups, likely));
  const systemIdentifier = systemIdentifierOf(backups);
  const count = (stored: number, plain: number) => progress.add(stored, plain);
  const { concurrency } = options;
  const context = { store, systemIdentifier, likely, wal: found.wal, concurrency, count };
  let parts = 0;
  let checksummedFiles = 0;
  // One after the other: the lists of a backup may be large, and retention may delete it beside us.
  for (const backup of backups) {
    try {
      const verified = await verifyBackup(context, backup, signal);
      const before = found.failures.get(backup.name) ?? [];
      found.failures.set(backup.name, [...before, ...verified.failures]);
      parts += verified.parts;
      checksummedFiles += verified.checksummedFiles;
    } catch (error) {
      if (!isPgarcError(error, 'no-such-backup')) throw error;
      found.gone.add(backup.name);
    }
  }
  const failures = await chooseFailures(deps, all, found, signal);
  if (asked !== undefined && found.gone.has(asked.name)) throw describeGone(asked, options.name);
  progress.tell();
  return {
    backups: backups.map(({ name }) => name).filter((name) => !found.gone.has(name)),
    deleted: [...found.gone],
    failures: failures.sort((a, b) => (a.key < b.key ? -1 : 1)),
    objects: parts + found.wal.size,
    segments: found.wal.size,
    checksummedFiles,
    bytes: progress.doneBytes,
    storedBytes: progress.storedBytes,
    durationMs: performance.now() - started,
  };
}

/** What has been found so far. */
interface Found {
  /** By the name of the backup. */
  failures: Map<string, readonly Failure[]>;
  /** Backups that were deleted since they were listed. */
  gone: Set<string>;
  wal: CheckedWal;
}

/**
 * The failures of backups that still exist. Deletion removes the sentinel first: where it is gone, so may be
 * anything else of the backup, and its WAL.
 * @param all oldest first, so that a delta comes after what it is built on
 */
async function chooseFailures(
  { store, emit }: { store: ObjectStore; emit: Emit },
  all: readonly Backup[],
  { failures, gone }: Found,
  signal: AbortSignal,
): Promise<Failure[]> {
  const chosen = new Map<string, Failure>();
  for (const { name, parent } of all) {
    const failed = [...(failures.get(name) ?? [])];
    if (parent !== undefined && gone.has(parent) && failures.has(name)) {
      failed.push({ key: sentinelKey(parent), reason: 'is missing from the store' });
    }
    if (failed.length > 0 && (await store.head(sentinelKey(name), { signal })) === undefined) gone.add(name);
    if (gone.has(name)) {
      emit({ type: 'warning', message: `backup ${name} was deleted meanwhile: nothing is said of it` });
      continue;
    }
    // Two backups may need one segment.
    for (const failure of failed) chosen.set(`${failure.key} ${failure.reason}`, failure);
  }
  return [...chosen.values()];
}

function describeGone({ name }: Backup, asked: string | undefined): PgarcError {
  return new PgarcError('no-such-backup', `backup ${name} was deleted while it was verified`, {
    hint: 'See what is left with: pgarc backup-list',
    // Another is the latest now.
    retryable: asked === 'LATEST',
  });
}

/** The backups asked for and those they are built on. */
function selectBackups(all: readonly Backup[], asked: Backup | undefined, found: Found): Backup[] {
  const selected = new Set<Backup>();
  for (const backup of asked === undefined ? all : [asked]) {
    const fail = (reason: string) =>
      found.failures.set(backup.name, [{ key: sentinelKey(backup.name), reason }]);
    if (!backup.usable) {
      fail(backup.warnings.join('; '));
      continue;
    }
    try {
      for (const link of resolveChain(all, backup)) selected.add(link);
    } catch (error) {
      fail(messageOf(error));
      selected.add(backup);
    }
  }
  return all.filter((backup) => selected.has(backup));
}

/** What all backups agree on; an archive belongs to one cluster. */
function systemIdentifierOf(backups: readonly Backup[]): bigint | undefined {
  const found = new Set(backups.flatMap(({ systemIdentifier }) => systemIdentifier ?? []));
  return found.size === 1 ? found.values().next().value : undefined;
}

/** What will be read, as far as the catalog tells. Of one cluster, hence of one segment size. */
function sumBytes(backups: readonly Backup[], likely: number): number | undefined {
  const [first] = backups;
  if (first === undefined) return 0;
  const segments = new Set(backups.flatMap((backup) => requiredSegments(backup, likely)));
  let sum = segments.size * segmentSizeOf(first, likely);
  for (const { uncompressedSize } of backups) {
    if (uncompressedSize === undefined) return undefined;
    sum += uncompressedSize;
  }
  return sum;
}
