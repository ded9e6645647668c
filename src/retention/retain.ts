import { BACKUPS, backupPrefix, sentinelKey } from '../backup/format/keys.ts';
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

async function measureBackups(
  store: ObjectStore,
  plan: RetentionPlan,
  signal: AbortSignal,
): Promise<Map<string, Volume>> {
  const volumes = await mapParallel(
    plan.dropped,
    PARALLEL_LISTS,
    async ({ name }, each) => {
      const volume = { objects: 0, bytes: 0 };
      // One listing shows the sentinel, the parts, and what else begins like the name.
      for await (const { key, size } of store.list(`${BACKUPS}${name}`, { signal: each })) {
        if (key !== sentinelKey(name) && !key.startsWith(backupPrefix(name))) continue;
        volume.objects++;
        volume.bytes += size;
      }
      return [name, volume] as const;
    },
    signal,
  );
  return new Map(volumes);
}
