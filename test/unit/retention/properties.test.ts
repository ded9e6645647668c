import { describe, expect, it } from 'vitest';
import { listBackups } from '../../../src/backup/catalog.ts';
import { backupPrefix } from '../../../src/backup/format/keys.ts';
import { Chains } from '../../../src/retention/chains.ts';
import { retain } from '../../../src/retention/retain.ts';
import type { RetentionRules } from '../../../src/retention/rules.ts';
import { listArchive } from '../../../src/wal/archive.ts';
import { isAncestor } from '../../../src/wal/history.ts';
import { verifyWal } from '../../../src/wal/verify.ts';
import { endOf, findWindows, type WindowSpan } from '../../../src/wal/window.ts';
import { rules } from './fixture.ts';
import { type Lived, ownWal, SIZE, seeded, type Trouble, World } from './world.ts';
import type { WorldStore } from './world-store.ts';

const WORLDS = Number(process.env.PGARC_TEST_WORLDS ?? 30);
const DAY = 86_400_000;
const { signal } = new AbortController();

const troubles: [string, Trouble][] = [
  ['sound histories', {}],
  ['lost segments', { gaps: true }],
  ['damaged sentinels and clutter', { damage: true }],
  ['wrong clocks', { clocks: true }],
  ['all of it', { gaps: true, damage: true, clocks: true }],
];

describe.each(troubles)('whatever happened to a cluster, with %s', (_, trouble) => {
  it(`retention keeps what it promises, in ${WORLDS} histories`, { timeout: WORLDS * 2000 }, async () => {
    for (let seed = 1; seed <= WORLDS; seed++) {
      try {
        await check(seed, trouble);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
  });
});

async function check(seed: number, trouble: Trouble): Promise<void> {
  const random = seeded(seed);
  const world = new World(random, trouble);
  const given = randomRules(random);
  const now = new Date(world.time);
  const run = (store: WorldStore, confirm = true) =>
    retain({ store, emit: () => undefined }, { rules: given, confirm, now, rate: 1e9 }, signal);
  const before = world.store.copy();
  const sound = await look(before, trouble);

  // A dry run changes nothing.
  await run(world.store, false);
  expect(world.store.keys).toEqual(before.keys);
  expect(world.store.deleted).toEqual([]);

  const whole = world.store.copy();
  const result = await run(whole);
  const after = await expectPromises(world, before, sound, whole, given, trouble);
  // wal-verify does not complain of what retention did.
  if (sound.isSound) expect(after.isSound).toBe(true);
  const gone = before.keys.filter((key) => !whole.objects.has(key));
  expect(result.applied?.objects).toBe(gone.length);
  expect(gone.length).toBe(result.total.objects);
  expect(listedNames(whole)).toEqual(result.plan.kept.map(({ name }) => name).sort());

  // A second run changes nothing, and leaves nothing of its own.
  const again = whole.copy();
  expect((await run(again)).total).toEqual({ objects: 0, bytes: 0 });
  expect([...again.objects.keys()].sort()).toEqual(whole.keys);

  // Killed anywhere, any number of times: as good as ever, and the next run ends where an unbroken one does.
  const broken = world.store.copy();
  for (let kill = 0; kill < 3; kill++) {
    broken.dieAfter = Math.floor(random() * (gone.length + 2));
    await run(broken).catch((error) => {
      if (!broken.died) throw error;
    });
    await expectPromises(world, before, sound, broken, given, trouble);
    // What is listed is whole.
    for (const name of listedNames(broken)) {
      const parts = (store: WorldStore) => store.keys.filter((key) => key.startsWith(backupPrefix(name)));
      expect(parts(broken)).toEqual(parts(before));
    }
  }
  broken.dieAfter = Number.POSITIVE_INFINITY;
  await run(broken);
  // What shows that a clock was wrong may be gone by then, but not what was promised.
  if (trouble.clocks) await expectPromises(world, before, sound, broken, given, trouble);
  else expect([...broken.objects.keys()].sort()).toEqual(whole.keys);
}

interface Sight {
  windows: WindowSpan[];
  isSound: boolean;
}

/** What could be recovered, as the functions behind wal-verify and backup-fetch see it. */
async function look(store: WorldStore, trouble: Trouble): Promise<Sight> {
  const backups = await listBackups(store, signal);
  const chains = new Chains(backups);
  const whole = backups.filter((backup) => chains.isWhole(backup));
  const archive = await listArchive(store, signal, { segmentSize: SIZE });
  const isSound = trouble.gaps || trouble.damage || trouble.clocks ? true : await hasNoGap(store, whole);
  return { windows: findWindows(archive, whole), isSound };
}

async function hasNoGap(
  store: WorldStore,
  backups: Awaited<ReturnType<typeof listBackups>>,
): Promise<boolean> {
  const { timelines, broken } = await verifyWal({ store, backups }, signal);
  return broken.length === 0 && !timelines.some(({ gaps }) => gaps.some(({ place }) => place === 'window'));
}

function reaches({ windows }: Sight, { timeline, lsn }: Lived): boolean {
  return windows.some(
    ({ spans, range, backups }) =>
      isAncestor(spans, timeline, lsn) && lsn <= range.end && backups.some((backup) => endOf(backup) <= lsn),
  );
}

async function expectPromises(
  world: World,
  before: WorldStore,
  earlier: Sight,
  store: WorldStore,
  given: RetentionRules,
  trouble: Trouble,
): Promise<Sight> {
  const sight = await look(store, trouble);
  const listed = new Set(listedNames(store));

  // Each backup that is there has all the WAL it had.
  for (const backup of world.backups.filter(({ name }) => listed.has(name))) {
    for (const key of ownWal(backup)) {
      if (before.objects.has(key) && !store.objects.has(key)) throw new Error(`${backup.name} lost ${key}`);
    }
  }
  // Each moment of the window that could be reached can be reached, and each since the newest backup.
  const newest = world.backups.at(-1)!;
  const windowStart = given.window === undefined ? Number.POSITIVE_INFINITY : world.time - given.window;
  for (const moment of world.lived) {
    const isPromised = moment.time >= windowStart || moment.time >= newest.finishTime;
    if (isPromised && reaches(earlier, moment) && !reaches(sight, moment)) {
      throw new Error(`moment ${new Date(moment.time).toISOString()} of timeline ${moment.timeline} is lost`);
    }
  }
  // Nothing newer than the newest backup, nothing foreign and no history file is touched.
  for (const [key, modified] of before.modified) {
    const isNewer = modified.getTime() >= newest.finishTime - 60_000;
    const isSacred = isNewer || key.endsWith('.history');
    if (before.objects.has(key) && isSacred && !store.objects.has(key)) throw new Error(`${key} is gone`);
  }
  for (const key of world.foreign) expect(store.objects.has(key)).toBe(true);
  return sight;
}

function listedNames(store: WorldStore): string[] {
  return store.keys
    .flatMap((key) => /^basebackups_005\/(base_\w+?)_backup_stop_sentinel\.json$/.exec(key)?.[1] ?? [])
    .sort();
}

function randomRules(random: () => number): RetentionRules {
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const given = {
    full: random() < 0.5 ? upTo(4) : 0,
    daily: random() < 0.2 ? upTo(5) : 0,
    weekly: random() < 0.2 ? upTo(4) : 0,
    monthly: random() < 0.2 ? upTo(3) : 0,
    timeZone: random() < 0.5 ? 'UTC' : 'Asia/Tokyo',
  };
  const isWindowed = random() < 0.6;
  const made = rules({ ...given, ...(isWindowed ? { window: upTo(20) + 0.5 } : {}) });
  return made.window === undefined && made.full + made.daily + made.weekly + made.monthly === 0
    ? { ...made, full: 1, window: DAY }
    : made;
}
