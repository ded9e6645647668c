import type { Backup } from '../backup/catalog.ts';
import { readCatalogEntry } from '../backup/catalog-entry.ts';
import { BACKUPS, backupOfSentinelKey, sentinelKey } from '../backup/format/keys.ts';
import { mapParallel } from '../backup/map-parallel.ts';
import { listClaims } from '../backup/push/claim.ts';
import { PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { WAL } from '../wal/keys.ts';
import { walFileOfKey } from '../wal/read-object.ts';
import { formatSegmentName, segmentAt, segmentBefore } from '../wal/segment.ts';
import { hasSegment } from '../wal/segment-ranges.ts';
import type { RetentionPlan } from './plan.ts';
import type { Survey } from './survey.ts';

const PARALLEL = 8;

/**
 * Looks again before anything is deleted: a listing that left something out must not decide what goes. The
 * backups, made and being made, are listed once more, what a plan takes to be missing is asked for by its name, and each backup that goes
 * is read again.
 * @returns false when the backups have changed since and a new plan is due
 * @throws PgarcError `store-unreachable` when the store contradicts its own listing
 */
export async function isStillTrue(
  store: ObjectStore,
  survey: Survey,
  plan: RetentionPlan,
  signal: AbortSignal,
): Promise<boolean> {
  // One that is made from a restartpoint of a standby may need WAL that the plan drops.
  const running = await listClaims(store, signal);
  if (running.some((name) => !survey.running.includes(name))) return false;
  const before = new Set(survey.backups.map(({ name }) => name));
  const after = await listNames(store, signal);
  for (const name of before.symmetricDifference(after)) {
    const isThere = (await store.head(sentinelKey(name), { signal })) !== undefined;
    if (isThere !== after.has(name)) throw contradiction(store, sentinelKey(name));
  }
  if (before.symmetricDifference(after).size > 0) return false;
  for (const { name } of survey.leftovers) await expectNoSentinel(store, name, signal);
  const areTrue = await mapParallel(
    plan.dropped,
    PARALLEL,
    async (backup, each) => {
      await expectMissing(store, survey, backup, each);
      return await isUnmarked(store, backup, each);
    },
    signal,
  );
  return !areTrue.includes(false);
}

/**
 * Names of backups that are being made, or are complete, and that the survey does not know.
 * @throws PgarcError `store-unreachable`
 */
export async function findNewcomers(
  store: ObjectStore,
  { running, backups }: Pick<Survey, 'running' | 'backups'>,
  signal: AbortSignal,
): Promise<string[]> {
  const known = new Set([...running, ...backups.map(({ name }) => name)]);
  // In this order no backup is missed that ends meanwhile.
  const claimed = await listClaims(store, signal);
  const listed = await listNames(store, signal);
  return [...new Set([...claimed, ...listed])].filter((name) => !known.has(name));
}

async function listNames(store: ObjectStore, signal: AbortSignal): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { key } of store.list(BACKUPS, { signal, shallow: true })) {
    const name = backupOfSentinelKey(key);
    if (name !== undefined) names.add(name);
  }
  return names;
}

/**
 * Parts of a deletion that was broken off have no sentinel; a listing alone does not prove that.
 * @throws PgarcError `store-unreachable` when there is one
 */
export async function expectNoSentinel(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
  deleted?: string,
): Promise<void> {
  const key = sentinelKey(name);
  if ((await store.head(key, { signal })) !== undefined) throw contradiction(store, key, deleted);
}

/** Whether a backup is there still, and nobody has marked it as permanent since. */
async function isUnmarked(
  store: ObjectStore,
  { name, finishTime }: Backup,
  signal: AbortSignal,
): Promise<boolean> {
  const entry = await readCatalogEntry(store, name, finishTime, signal);
  return entry !== undefined && !entry.permanent;
}

/** A backup that counts for no rule because something is missing: that must be so. */
async function expectMissing(
  store: ObjectStore,
  survey: Survey,
  backup: Backup,
  signal: AbortSignal,
): Promise<void> {
  const { parent } = backup;
  if (parent !== undefined && !survey.backups.some(({ name }) => name === parent)) {
    await expectNoSentinel(store, parent, signal);
  }
  if (!survey.withoutWal.has(backup.name)) return;
  let found: string | undefined;
  for (const name of missingSegments(survey, backup)) {
    if (!(await isStored(store, name, signal))) return;
    found = name;
  }
  if (found !== undefined) throw contradiction(store, `segment ${found}, which ${backup.name} needs,`);
}

/** Names of the segments between a backup's start and stop that the survey lacks. */
function* missingSegments(
  { archive: { segmentSize, segments } }: Pick<Survey, 'archive'>,
  { timeline, startLsn, finishLsn }: Backup,
): Generator<string> {
  const last = segmentBefore(timeline, finishLsn ?? startLsn, segmentSize).number;
  for (let { number } = segmentAt(timeline, startLsn, segmentSize); number <= last; number++) {
    if (!hasSegment(segments.get(timeline), number))
      yield formatSegmentName({ timeline, number }, segmentSize);
  }
}

/** Whether a segment is stored in the same sense as in a survey: under any extension, but not without a byte. */
async function isStored(store: ObjectStore, name: string, signal: AbortSignal): Promise<boolean> {
  for await (const { key, size } of store.list(`${WAL}${name}`, { signal })) {
    if (size > 0 && walFileOfKey(key)?.file === name) return true;
  }
  return false;
}

function contradiction(store: ObjectStore, what: string, deleted = 'Nothing was deleted.'): PgarcError {
  return new PgarcError(
    'store-unreachable',
    `a listing of ${store.location} is not complete: ${what} was not in it, or is no more`,
    { hint: `${deleted} Try again; if it stays so, ask whoever runs the store.` },
  );
}
