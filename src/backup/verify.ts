import { isPgarcError, messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Backup, findBackup, listBackups } from './catalog.ts';
import { requiredSegments, segmentSizeOf } from './catalog-segments.ts';
import { resolveChain } from './fetch/chain.ts';
import { Progress } from './fetch/progress.ts';
import { sentinelKey } from './format/keys.ts';
import { mapParallel } from './map-parallel.ts';
import { planVerification, type VerificationPlan, verifyMembers, verifyPart } from './verify-parts.ts';
import { verifySegment } from './verify-wal.ts';

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
  const failures: Failure[] = [];
  const backups = selectBackups(all, options.name, failures);
  emit({
    type: 'phase',
    operation: 'verify',
    text: `verifying ${backups.length} backup${backups.length === 1 ? '' : 's'}`,
  });

  const plans: VerificationPlan[] = [];
  for (const backup of backups) {
    const plan = await collect(failures, sentinelKey(backup.name), () =>
      planVerification(store, backup, signal),
    );
    if (plan !== undefined) plans.push(plan);
  }
  const segments = [...new Set(backups.flatMap(requiredSegments))].sort();
  const progress = new Progress(emit, 'verify', sumBytes(plans, segments.length));
  const count = (stored: number, plain: number) => progress.add(stored, plain);
  const parts = plans.flatMap((plan) => plan.parts.map((part) => ({ plan, part })));
  await mapParallel(
    parts,
    options.concurrency,
    ({ plan, part }, combined) =>
      collect(failures, part.key, () => verifyPart(store, plan, part, count, combined)),
    signal,
  );
  for (const plan of plans) failures.push(...(await verifyMembers(store, plan, failures, signal)));
  await mapParallel(
    segments,
    options.concurrency,
    async (name, combined) => {
      const failure = await verifySegment(store, name, systemIdentifierOf(backups), count, combined);
      if (failure !== undefined) failures.push(failure);
    },
    signal,
  );
  progress.tell();
  return {
    backups: backups.map(({ name }) => name),
    failures: failures.sort((a, b) => (a.key < b.key ? -1 : 1)),
    objects: parts.length + segments.length,
    segments: segments.length,
    checksummedFiles: plans.reduce((sum, { contents }) => sum + (contents.manifest?.files.length ?? 0), 0),
    bytes: progress.doneBytes,
    storedBytes: progress.storedBytes,
    durationMs: performance.now() - started,
  };
}

/** The backups asked for and those they are built on. */
function selectBackups(all: readonly Backup[], name: string | undefined, failures: Failure[]): Backup[] {
  const asked = name === undefined ? all : [findBackup(all, name)];
  const selected = new Set<Backup>();
  for (const backup of asked) {
    const key = sentinelKey(backup.name);
    if (!backup.usable) {
      failures.push({ key, reason: backup.warnings.join('; ') });
      continue;
    }
    try {
      for (const link of resolveChain(all, backup)) selected.add(link);
    } catch (error) {
      failures.push({ key, reason: messageOf(error) });
      selected.add(backup);
    }
  }
  return all.filter((backup) => selected.has(backup));
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

/** What all backups agree on; an archive belongs to one cluster. */
function systemIdentifierOf(backups: readonly Backup[]): bigint | undefined {
  const found = new Set(backups.flatMap(({ systemIdentifier }) => systemIdentifier ?? []));
  return found.size === 1 ? found.values().next().value : undefined;
}

/** Of one cluster, hence of one segment size. */
function sumBytes(plans: readonly VerificationPlan[], segments: number): number | undefined {
  const [first] = plans;
  let sum = first === undefined ? 0 : segments * segmentSizeOf(first.contents.backup);
  for (const { contents } of plans) {
    if (contents.backup.uncompressedSize === undefined) return undefined;
    sum += contents.backup.uncompressedSize;
  }
  return sum;
}
