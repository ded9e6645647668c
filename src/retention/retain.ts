import { BACKUPS, backupOfSentinelKey, backupPrefix, sentinelKey } from '../backup/format/keys.ts';
import { mapParallel } from '../backup/map-parallel.ts';
import { PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Applied, type ApplyDeps, applyPlan } from './apply.ts';
import { planRetention, type RetentionPlan } from './plan.ts';
import { isStillTrue } from './recheck.ts';
import type { RetentionRules } from './rules.ts';
import { type Survey, surveyStore } from './survey.ts';
import type { Volume } from './wal-files.ts';

export interface RetainOptions {
  rules: RetentionRules | undefined;
  /** Without it nothing is deleted. */
  confirm: boolean;
  now?: Date;
  /** Most objects deleted a second. */
  rate?: number | undefined;
}

/** What retention found, and what it did. Sizes are bytes as stored. */
export interface RetainResult {
  survey: Survey;
  plan: RetentionPlan;
  /** Objects of each backup that goes, by its name. */
  volumes: ReadonlyMap<string, Volume>;
  /** All that goes: backups, what broken-off deletions left, WAL. */
  total: Volume;
  /** The store keeps deleted objects as older versions. */
  keepsVersions: boolean;
  /** Undefined when nothing was to be deleted. */
  applied: Applied | undefined;
}

/** Backups come and go while they are looked at, but not for ever. */
const ATTEMPTS = 5;
const PARALLEL_LISTS = 16;
/** More backups than this are measured by one listing of all. */
const SINGLE_LISTS = 20;

/**
 * Plans which backups and which WAL go, and deletes them when told so.
 * @throws PgarcError `store-unreachable` when a listing fails or is short, `refused` for a plan that must not
 *   be, `object-damaged`: nothing is deleted then
 */
export async function retain(
  deps: ApplyDeps,
  options: RetainOptions,
  signal: AbortSignal,
): Promise<RetainResult> {
  const { store } = deps;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const survey = await surveyStore(store, signal);
    const plan = planRetention(survey, options.rules, options.now ?? new Date());
    const volumes = await measureBackups(store, plan, signal);
    const deletes = [...volumes.values(), ...survey.leftovers, plan.walVolume];
    const total = {
      objects: deletes.reduce((sum, { objects }) => sum + objects, 0),
      bytes: deletes.reduce((sum, { bytes }) => sum + bytes, 0),
    };
    const keepsVersions = total.objects > 0 && (await store.keepsVersions?.({ signal })) === true;
    const result = { survey, plan, volumes, total, keepsVersions };
    if (!options.confirm) return { ...result, applied: undefined };
    if (!(await isStillTrue(store, survey, plan, signal))) continue;
    return { ...result, applied: await applyPlan(deps, survey, plan, signal, options.rate) };
  }
  throw new PgarcError('failed', 'the backups in the store change faster than they can be listed', {
    hint: 'Nothing was deleted. Try again.',
    retryable: true,
  });
}

/** What each backup that goes takes in the store. */
async function measureBackups(
  store: ObjectStore,
  { dropped }: RetentionPlan,
  signal: AbortSignal,
): Promise<Map<string, Volume>> {
  const volumes = new Map<string, Volume>(dropped.map(({ name }) => [name, { objects: 0, bytes: 0 }]));
  const measure = async (prefix: string, each: AbortSignal) => {
    for await (const { key, size } of store.list(prefix, { signal: each })) {
      const volume = volumes.get(backupOfSentinelKey(key) ?? key.slice(BACKUPS.length).split('/', 1)[0]!);
      if (volume === undefined) continue;
      volume.objects++;
      volume.bytes += size;
    }
  };
  if (dropped.length > SINGLE_LISTS) await measure(BACKUPS, signal);
  else {
    await mapParallel(dropped, PARALLEL_LISTS, ({ name }, each) => measure(backupPrefix(name), each), signal);
    // The sentinel lies beside the folder, in a listing with those of the deltas built on it.
    await mapParallel(dropped, PARALLEL_LISTS, ({ name }, each) => measure(sentinelKey(name), each), signal);
  }
  return volumes;
}
