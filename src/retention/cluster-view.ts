import { type Backup, compareBackups } from '../backup/catalog.ts';
import { endOf } from '../wal/window.ts';
import type { ClusterBackups } from './clusters.ts';
import { type EndTime, type Histories, Lineages, settleTimes } from './lineage.ts';

/** One cluster's good backups, with what the order of their WAL tells. */
export interface ClusterView {
  systemIdentifier: bigint | undefined;
  /** Good ones, oldest first. */
  good: readonly Backup[];
  lineages: Lineages;
  /** When each usable backup ended. */
  times: ReadonlyMap<Backup, EndTime>;
  /** The last of `good`. */
  last: Backup;
  /** Those that must never go: the last, LATEST by its own time, and the last on each way WAL still goes. */
  newest: readonly Backup[];
  /** When another cluster's backups followed, ms since 1970: this one wrote no more WAL then. */
  endedAt: number | undefined;
}

export interface ViewInput {
  clusters: readonly ClusterBackups[];
  histories: Histories;
  /** When the newest WAL file of each timeline was stored, be it only its history file. */
  storedUntil: ReadonlyMap<number, Date>;
  isGood: (backup: Backup) => boolean;
  now: number;
}

/** Looks at each cluster that has a good backup. */
export function viewClusters(input: ViewInput): ClusterView[] {
  const views = input.clusters.flatMap((cluster) => viewCluster(cluster, input) ?? []);
  return views.map((view) => {
    const endedAt = findEnd(view, views);
    return { ...view, endedAt, newest: findNewest(view, endedAt === undefined, input) };
  });
}

type BareView = Omit<ClusterView, 'endedAt' | 'newest'>;

function viewCluster(cluster: ClusterBackups, { histories, isGood, now }: ViewInput): BareView | undefined {
  const usable = cluster.backups.filter((backup) => backup.usable);
  const times = settleTimes(new Lineages(histories, usable), usable, now);
  const good = usable.filter(isGood).sort((a, b) => compareSettled(times, a, b));
  const last = good.at(-1);
  if (last === undefined) return undefined;
  const { systemIdentifier } = cluster;
  return { systemIdentifier, good, lineages: new Lineages(histories, good), times, last };
}

function findNewest({ good, last, lineages, times }: BareView, goesOn: boolean, input: ViewInput): Backup[] {
  const latest = good.toSorted(compareBackups).at(-1)!;
  // Where WAL went on after the last backup: to restore LATEST is to go there.
  const later = [...input.storedUntil].filter(([, stored]) => stored.getTime() > times.get(last)!.earliest);
  const timelines = [last.timeline, ...(goesOn ? later.map(([timeline]) => timeline) : [])];
  const tops = timelines.flatMap((timeline) => lineages.line(timeline).at(-1) ?? []);
  return [...new Set([last, latest, ...tops])];
}

/** Oldest first: by when they ended, then by their WAL. */
export function compareSettled(times: ReadonlyMap<Backup, EndTime>, a: Backup, b: Backup): number {
  const byTime = times.get(a)!.earliest - times.get(b)!.earliest;
  if (byTime !== 0) return byTime;
  if (endOf(a) !== endOf(b)) return endOf(a) < endOf(b) ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function findEnd(view: BareView, views: readonly BareView[]): number | undefined {
  const end = view.times.get(view.last)!.latest;
  const later = views
    .filter((other) => other !== view)
    .flatMap(({ good, times }) => good.map((backup) => times.get(backup)!))
    .filter((time) => time.earliest > end)
    .map((time) => time.latest);
  return later.length === 0 ? undefined : later.reduce((a, b) => Math.min(a, b));
}
