import type { Backup } from '../backup/catalog.ts';
import { isDead, type Journal, writeJournal } from '../backup/deletion-journal.ts';
import { backupPrefix, sentinelKey } from '../backup/format/keys.ts';
import type { Emit } from '../report/events.ts';
import { formatCount } from '../report/units.ts';
import type { ObjectStore } from '../store/store.ts';
import { WAL } from '../wal/keys.ts';
import { Chains } from './chains.ts';
import { Deleter, type Refused } from './deleter.ts';
import { assertSafe, planWalFor, type RetentionPlan } from './plan.ts';
import { expectNoSentinel, findNewcomers } from './recheck.ts';
import type { Survey } from './survey.ts';
import { placeOfKey } from './wal-files.ts';
import type { WalPlan } from './wal-plan.ts';

export interface ApplyDeps {
  store: ObjectStore;
  emit: Emit;
}

/** What was deleted. */
export interface Applied {
  /** Names of the backups whose sentinels are gone. */
  backups: readonly string[];
  objects: number;
  /** What the store would not let go. */
  refused: Refused;
}

/** Objects a second: S3 takes 3,500 a second under one prefix, and archiving shall have the most of it. */
const RATE = 2000;

/**
 * Carries a plan out: sentinels first, deltas before what they are built on, then parts, then WAL, oldest
 * first. It may end anywhere; the next run continues. What was stored after it began is not touched.
 * @throws PgarcError `store-unreachable`, also when the store contradicts its listing, and the signal's reason
 */
export async function applyPlan(
  deps: ApplyDeps,
  survey: Survey,
  plan: RetentionPlan,
  signal: AbortSignal,
  rate = RATE,
): Promise<Applied> {
  const { store, emit } = deps;
  const tell = (text: string) => emit({ type: 'phase', operation: 'retain', text });
  const names = [...plan.dropped, ...survey.leftovers].map(({ name }) => name);
  if (names.length === 0 && plan.walVolume.objects === 0) {
    await removeJournals(store, survey, new Set(), plan.now, signal);
    return { backups: [], objects: 0, refused: { objects: 0, reasons: [] } };
  }
  const journal = await writeJournal(store, names, signal);
  const deleter = new Deleter(store, rate, signal);
  if (plan.dropped.length > 0) tell(`deleting ${formatCount(plan.dropped.length, 'backup')}`);
  const stuck = await deleteSentinels(store, deleter, survey.backups, plan.dropped, signal);
  const gone = plan.dropped.filter((backup) => !stuck.has(backup));
  const leftovers = new Set(survey.leftovers.map(({ name }) => name));
  for (const name of [...leftovers, ...gone.map((backup) => backup.name)]) {
    if (leftovers.has(name)) await expectNoSentinel(store, name, signal, `${name} was left as it is.`);
    for await (const { key, modified } of store.list(backupPrefix(name), { signal })) {
      if (modified <= journal.stored) await deleter.add(key);
    }
  }
  await deleter.flush();
  const isAllGone = deleter.refused.objects === 0;
  if (plan.walVolume.objects > 0) {
    const wal = await planWalAgain(store, survey, plan, stuck, signal);
    tell('deleting WAL');
    await deleteWal(store, deleter, survey, wal, journal, signal);
  }
  // The new journal names what the older ones did; it stays as long as there are parts nobody else accounts for.
  if (isAllGone) await store.delete([journal.key], { signal });
  await removeJournals(store, survey, new Set(gone.map(({ name }) => name)), plan.now, signal);
  const { deleted, refused } = deleter;
  return { backups: gone.map(({ name }) => name), objects: deleted, refused };
}

/** @returns backups whose sentinels the store keeps, and what they are built on */
async function deleteSentinels(
  store: ObjectStore,
  deleter: Deleter,
  backups: readonly Backup[],
  dropped: readonly Backup[],
  signal: AbortSignal,
): Promise<Set<Backup>> {
  const chains = new Chains(backups);
  const stuck = new Set<Backup>();
  const left = new Set(dropped);
  while (left.size > 0) {
    // A delta goes in an earlier request than what it is built on: of one request any part may fail.
    const ready = [...left].filter((backup) => !chains.children(backup).some((child) => left.has(child)));
    const level = ready.length > 0 ? ready : [...left];
    for (const backup of level) left.delete(backup);
    const free = level.filter((backup) => !chains.children(backup).some((child) => stuck.has(child)));
    for (const backup of level) if (!free.includes(backup)) stuck.add(backup);
    const before = deleter.refused.objects;
    for (const { name } of free) await deleter.add(sentinelKey(name));
    await deleter.flush();
    if (deleter.refused.objects === before && !deleter.isGivenUp) continue;
    for (const backup of free) {
      if ((await store.head(sentinelKey(backup.name), { signal })) !== undefined) stuck.add(backup);
    }
  }
  return stuck;
}

/** The WAL that may go by now: backups that stuck need theirs, and so do those that began since the survey. */
async function planWalAgain(
  store: ObjectStore,
  survey: Survey,
  plan: RetentionPlan,
  stuck: ReadonlySet<Backup>,
  signal: AbortSignal,
): Promise<WalPlan> {
  const newcomers = await findNewcomers(store, survey, signal);
  if (stuck.size === 0 && newcomers.length === 0) return plan.wal;
  const kept = [...plan.kept, ...stuck];
  const dropped = plan.dropped.filter((backup) => !stuck.has(backup));
  const running = [...survey.running, ...newcomers];
  const wal = planWalFor({ ...survey, running }, plan.policy, kept);
  assertSafe(survey, { kept, dropped, wal });
  return wal;
}

async function deleteWal(
  store: ObjectStore,
  deleter: Deleter,
  survey: Survey,
  plan: WalPlan,
  journal: Journal,
  signal: AbortSignal,
): Promise<void> {
  const { segmentSize } = survey.archive;
  const { last } = survey.wal.measure(plan, segmentSize);
  for await (const { key, modified } of store.list(WAL, { signal, shallow: true })) {
    if (deleter.isGivenUp || last === undefined) break;
    const place = placeOfKey(key, segmentSize);
    if (place === undefined) continue;
    // Names are in the order of timelines and of segments.
    if (place.timeline > last.timeline) break;
    if (modified <= journal.stored && plan.isDropped(place.timeline, place.number)) await deleter.add(key);
  }
  await deleter.flush();
}

/** Removes the journals this run has worked through, and those of runs that died before they began. */
async function removeJournals(
  store: ObjectStore,
  survey: Survey,
  gone: ReadonlySet<string>,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  const listed = new Set(survey.backups.map(({ name }) => name).filter((name) => !gone.has(name)));
  const isDone = (journal: Journal) =>
    isDead(journal, now) || !journal.backups.some((name) => listed.has(name));
  const keys = survey.journals.filter(isDone).map(({ key }) => key);
  if (keys.length > 0) await store.delete(keys, { signal });
}
