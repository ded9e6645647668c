import { type Backup, compareBackups } from '../backup/catalog.ts';
import { span } from '../config/value-types.ts';
import { calendarOf, PERIODS } from './calendar.ts';
import { Chains } from './chains.ts';
import { type ClusterView, compareSettled, viewClusters } from './cluster-view.ts';
import { groupByCluster } from './clusters.ts';
import type { EndTime, Histories } from './lineage.ts';
import { type Continuity, findContinuity } from './promise.ts';
import { Reasons } from './reasons.ts';
import type { RetentionRules } from './rules.ts';

const DAY = 86_400_000;

/** What the policy judges by. */
export interface PolicyInput {
  backups: readonly Backup[];
  histories: Histories;
  /** When the newest WAL file of each timeline was stored, be it only its history file. */
  storedUntil: ReadonlyMap<number, Date>;
  /** Names of backups of whose own WAL, from start to stop, something is not in the archive. */
  withoutWal: ReadonlySet<string>;
  now: Date;
}

/** What becomes of a backup, and why. */
export interface Decision {
  backup: Backup;
  keep: boolean;
  reasons: readonly string[];
}

export interface PolicyResult {
  /** Oldest first. */
  decisions: readonly Decision[];
  /** No WAL goes at all: no rule is set, or no good backup is there to say what is needed. */
  keepsAllWal: boolean;
  /** Never to be dropped. */
  newest: readonly Backup[];
  /** Nothing that begins at one of these or later is touched, on whatever timeline that is not in frontierOn. */
  frontier: readonly Backup[];
  /**
   * The same for single timelines: those of them that lead there, none where nothing was written since, else
   * the last of each cluster.
   */
  frontierOn: ReadonlyMap<number, readonly Backup[]>;
  continuous: readonly Continuity[];
  /** Timelines of which all WAL stays, and why. */
  untouched: ReadonlyMap<number, string>;
}

/**
 * Decides which backups stay. Pure. Rules are OR-ed; no rule keeps everything. A good backup can be restored:
 * its sentinel is sound, what it is built on is there, and its own WAL is in the archive. Only good ones count
 * for a rule, and the newest good one of each cluster always stays.
 */
export function decide(input: PolicyInput, rules: RetentionRules | undefined): PolicyResult {
  const dropped: Decision[] = [];
  for (let { backups } = input; ; ) {
    const result = decideOnce({ ...input, backups }, rules);
    const going = result.decisions.filter(({ keep }) => !keep);
    if (going.length === 0) {
      const decisions = [...result.decisions, ...dropped];
      return { ...result, decisions: decisions.sort((a, b) => compareBackups(a.backup, b.backup)) };
    }
    // What a backup proved of others' clocks goes with it. A second run shall find nothing more to do.
    dropped.push(...going);
    backups = result.decisions.filter(({ keep }) => keep).map(({ backup }) => backup);
  }
}

function decideOnce(input: PolicyInput, rules: RetentionRules | undefined): PolicyResult {
  const { backups, histories, storedUntil, withoutWal } = input;
  const now = input.now.getTime();
  const chains = new Chains(backups);
  const isGood = (backup: Backup) => chains.isWhole(backup) && !withoutWal.has(backup.name);
  const clusters = groupByCluster(backups);
  const views = viewClusters({ clusters, histories, storedUntil, isGood, now });
  if (rules === undefined || views.length === 0) {
    return keepEverything(backups, views, rules === undefined ? 'no rule is set' : 'no good backup is there');
  }
  const reasons = new Reasons();
  markNewest(views, reasons);
  const times = new Map(views.flatMap((view) => [...view.times]));
  const good = views.flatMap((view) => view.good).sort((a, b) => compareSettled(times, b, a));
  markByRules(good, times, chains, rules, now, reasons);
  // The last backup of a cluster that was replaced stays, but promises no more than itself.
  const kept = new Set(reasons.backups);
  for (const view of views) {
    if (view.endedAt === undefined) continue;
    const name =
      view.systemIdentifier === undefined
        ? 'an unknown cluster'
        : `system identifier ${view.systemIdentifier}`;
    for (const backup of view.newest) reasons.add(backup, `newest of ${name}`);
  }
  const timelines = [
    ...new Set([...storedUntil.keys(), ...histories.keys(), ...backups.map((b) => b.timeline)]),
  ];
  const windowStart = rules.window === undefined ? undefined : now - rules.window;
  const continuous = views.flatMap((view) =>
    findContinuity(view, storedUntil, timelines, { windowStart, kept }),
  );
  for (const { from, isAnchor } of continuous) if (isAnchor) reasons.add(from, 'anchor of the window');
  markOthers(backups, times, chains, withoutWal, reasons);
  markNeeded(chains, reasons);
  const frontier = views
    .filter((view) => view.endedAt === undefined)
    .flatMap((view) => view.newest.filter((backup) => isFrontier(view, backup)));
  return {
    decisions: toDecisions(backups, reasons, (backup) => explainDrop(backup, chains, withoutWal)),
    keepsAllWal: false,
    newest: views.flatMap((view) => view.newest),
    frontier,
    frontierOn: findFrontierOn(storedUntil, frontier, times, views),
    continuous,
    untouched: findUntouched(input, views),
  };
}

/** A finish time in the future makes a backup LATEST that others continue. */
function isFrontier({ last, lineages }: ClusterView, backup: Backup): boolean {
  return backup === last || lineages.line(backup.timeline).at(-1) === backup;
}

function findFrontierOn(
  storedUntil: PolicyInput['storedUntil'],
  frontier: readonly Backup[],
  times: ReadonlyMap<Backup, EndTime>,
  views: readonly ClusterView[],
): Map<number, readonly Backup[]> {
  const since = Math.min(...frontier.map((backup) => times.get(backup)!.earliest)) - DAY;
  const lasts = views.map(({ last }) => last).filter((last) => frontier.includes(last));
  const found = new Map<number, readonly Backup[]>();
  for (const [timeline, stored] of storedUntil) {
    const leading = views
      .flatMap(({ lineages }) => lineages.line(timeline))
      .filter((backup) => frontier.includes(backup));
    if (leading.length > 0 || stored.getTime() < since) found.set(timeline, leading);
    // What leads to another timeline only, be it one of which no segment is stored yet, needs nothing here.
    else found.set(timeline, lasts);
  }
  return found;
}

function markNewest(views: readonly ClusterView[], reasons: Reasons): void {
  for (const view of views) {
    if (view.endedAt === undefined) for (const backup of view.newest) reasons.add(backup, 'newest');
  }
}

/** @param good newest first */
function markByRules(
  good: readonly Backup[],
  times: ReadonlyMap<Backup, EndTime>,
  chains: Chains,
  rules: RetentionRules,
  now: number,
  reasons: Reasons,
): void {
  if (rules.window !== undefined) {
    for (const backup of good) {
      if (times.get(backup)!.latest > now - rules.window)
        reasons.add(backup, `window ${span.format(rules.window)}`);
    }
  }
  for (const full of good.filter(({ kind }) => kind !== 'delta').slice(0, rules.full)) {
    for (const backup of [full, ...chains.descendants(full)]) reasons.add(backup, 'keep-full');
  }
  const labelOf = calendarOf(rules.timeZone);
  for (const period of PERIODS) {
    const seen = new Set<string>();
    for (const backup of rules[period] === 0 ? [] : good) {
      const label = labelOf(times.get(backup)!.earliest, period);
      if (seen.has(label)) continue;
      if (seen.size === rules[period]) break;
      seen.add(label);
      reasons.add(backup, `${period} ${label}`);
    }
  }
}

/** What no rule can count: permanent ones, damaged ones, and those that cannot be restored as things are. */
function markOthers(
  backups: readonly Backup[],
  times: ReadonlyMap<Backup, EndTime>,
  chains: Chains,
  withoutWal: ReadonlySet<string>,
  reasons: Reasons,
): void {
  const timesOf = (backup: Backup): EndTime => {
    const time = backup.finishTime.getTime();
    return times.get(backup) ?? { earliest: time, latest: time };
  };
  const oldest = Math.min(...reasons.backups.map((backup) => timesOf(backup).earliest));
  for (const backup of backups) {
    if (backup.permanent) reasons.add(backup, backup.isMarkUnknown ? 'may be permanent' : 'permanent');
    if (!backup.usable) reasons.add(backup, 'damaged');
    // It may be mended as long as others of its age are kept.
    else if (timesOf(backup).latest >= oldest) {
      if (!chains.isWhole(backup)) reasons.add(backup, 'its parent is missing');
      else if (withoutWal.has(backup.name)) reasons.add(backup, 'some of its WAL is missing');
    }
  }
}

function markNeeded(chains: Chains, reasons: Reasons): void {
  const open = [...reasons.backups].sort(compareBackups);
  const seen = new Set(open);
  for (let backup = open.pop(); backup !== undefined; backup = open.pop()) {
    for (const parent of chains.parents(backup)) {
      reasons.add(parent, `needed by ${backup.name}`);
      if (!seen.has(parent)) open.push(parent);
      seen.add(parent);
    }
  }
}

function explainDrop(backup: Backup, chains: Chains, withoutWal: ReadonlySet<string>): string {
  if (!chains.isWhole(backup)) return 'its parent is missing';
  return withoutWal.has(backup.name) ? 'some of its WAL is missing' : 'no rule keeps it';
}

/** WAL that recovery cannot follow from any backup, though it may be the newest there is. */
function findUntouched(
  { histories, storedUntil }: PolicyInput,
  views: readonly ClusterView[],
): Map<number, string> {
  const untouched = new Map<number, string>();
  const newest = Math.max(...views.map((view) => view.times.get(view.last)!.earliest));
  for (const [timeline, stored] of storedUntil) {
    if (timeline > 1 && !histories.has(timeline)) untouched.set(timeline, 'its history file is missing');
    else if (stored.getTime() > newest && !views.some((view) => view.lineages.line(timeline).length > 0)) {
      untouched.set(timeline, 'it is newer than every backup');
    }
  }
  return untouched;
}

function keepEverything(
  backups: readonly Backup[],
  views: readonly ClusterView[],
  reason: string,
): PolicyResult {
  const newest = views.flatMap((view) => view.newest);
  const reasons = new Reasons();
  for (const backup of backups) reasons.add(backup, backup.usable ? reason : 'damaged');
  const decisions = toDecisions(backups, reasons, () => '');
  return {
    decisions,
    keepsAllWal: true,
    newest,
    frontier: newest,
    frontierOn: new Map(),
    continuous: [],
    untouched: new Map(),
  };
}

function toDecisions(
  backups: readonly Backup[],
  reasons: Reasons,
  explain: (backup: Backup) => string,
): Decision[] {
  return backups.toSorted(compareBackups).map((backup) => {
    const found = reasons.of(backup);
    const keep = found.length > 0;
    return { backup, keep, reasons: keep ? found : [explain(backup)] };
  });
}
