import type { Backup } from '../backup/catalog.ts';
import { formatAge, formatBytes, formatCount, formatDuration, formatLocalTime } from '../report/units.ts';
import type { Trouble } from './diagnose.ts';
import type { Answer, StatusFacts } from './facts.ts';
import { jobLines } from './job-lines.ts';
import { answered, type Picture, type Told } from './picture.ts';

/** A line of the screen: a word, and what there is to say. */
export interface Line {
  label: string;
  text: string;
}

/** All facts as lines, those that nobody could tell with the reason why not. Pure. */
export function linesOf(facts: StatusFacts, picture: Picture): Line[] {
  const { now } = facts;
  return [
    { label: 'cluster', text: describeCluster(facts, picture) },
    { label: 'server', text: describeServer(facts, picture) },
    { label: 'archive', text: describeArchive(facts, picture) },
    { label: 'backups', text: describeBackups(facts, picture) },
    { label: 'window', text: describeWindow(facts, picture) },
    { label: 'gaps', text: describeGaps(facts, picture) },
    { label: 'daemon', text: describeDaemon(facts) },
    ...(facts.etcd.state === 'none' ? [] : [{ label: 'etcd', text: describeEtcd(facts) }]),
    ...jobLines(answered(facts.jobs), now),
  ];
}

/** `well`, or what it amounts to. */
export function summarize(troubles: readonly Trouble[]): string {
  if (troubles.length === 0) return 'well';
  const subjects = [...new Set(troubles.map(({ subject }) => subject))];
  return `needs attention: ${subjects.join(', ')}`;
}

function describeCluster({ scope, store }: StatusFacts, picture: Picture): string {
  const { systemIdentifier, version } = picture;
  return join([
    scope,
    systemIdentifier === undefined ? 'unknown system identifier' : `system identifier ${systemIdentifier}`,
    version === undefined ? undefined : `PostgreSQL ${version}`,
    store ?? 'no store',
  ]);
}

function describeServer(facts: StatusFacts, { role, timeline }: Picture): string {
  const { node, host, postgres, files, pgdata, now } = facts;
  const where = node === host ? node : `${node} (${host})`;
  if (postgres.state === 'ok') {
    const { address, lsn, replayLagBytes, replayedTime, isStreaming } = postgres.value;
    return join([
      where,
      `${role} on timeline ${timeline}`,
      lsn === undefined ? undefined : `at ${lsn}`,
      isStreaming === undefined ? undefined : isStreaming ? 'streaming' : 'not streaming',
      replayLagBytes === undefined ? undefined : `${formatBytes(Math.max(0, replayLagBytes))} to replay`,
      replayedTime === undefined ? undefined : `replayed a commit of ${formatAge(replayedTime, now)}`,
      address,
    ]);
  }
  const state = answered(files)?.state;
  return join([
    where,
    'not reachable',
    state === undefined ? undefined : `a ${role} "${state}" on timeline ${timeline}, as ${pgdata} says`,
  ]);
}

function describeArchive({ postgres, now }: StatusFacts, { waiting, role }: Picture): string {
  const server = answered(postgres);
  const files = waiting?.value.files;
  const since = waiting?.value.since;
  const last = server?.lastArchived;
  return join([
    files === undefined
      ? 'unknown how many WAL files wait'
      : `${files === 0 ? 'no' : files} WAL ${files === 1 ? 'file waits' : 'files wait'}`,
    since === undefined
      ? undefined
      : `the oldest for ${formatDuration(Math.max(0, now.getTime() - since.getTime()))}`,
    last === undefined
      ? undefined
      : `last archived ${last}${server?.lastArchivedTime === undefined ? '' : ` ${formatAge(server.lastArchivedTime, now)}`}`,
    server?.archiveMode === 'off' ? 'archive_mode is off' : undefined,
    role === 'standby' && server?.archiveMode === 'on' ? 'its primary archives' : undefined,
    source(waiting, now),
  ]);
}

function describeBackups(facts: StatusFacts, { backups, newest }: Picture): string {
  const { now } = facts;
  if (backups === undefined) return unknown(facts.backups);
  const all = backups.value;
  if (newest === undefined)
    return join([all.length === 0 ? 'none' : `${all.length}, none can be used`, source(backups, now)]);
  const stored = all.reduce((sum, { storedSize }) => sum + (storedSize ?? 0), 0);
  return join([
    `${all.length} of ${formatBytes(stored)}`,
    `newest ${newest.name} (${describeNewest(newest)}) finished ${formatAge(newest.finishTime, now)}`,
    source(backups, now),
  ]);
}

function describeNewest({ kind, uncompressedSize, permanent }: Backup): string {
  return join([
    kind,
    uncompressedSize === undefined ? undefined : formatBytes(uncompressedSize),
    permanent ? 'permanent' : undefined,
  ]);
}

function describeWindow(facts: StatusFacts, { scan, newest }: Picture): string {
  if (scan === undefined) return unknown(facts.scan, facts.backups);
  const { window } = scan.value;
  if (window === null) {
    const isBefore = newest !== undefined && Date.parse(scan.value.at) <= newest.finishTime.getTime();
    const words = isBefore
      ? 'unknown: the WAL was listed before the newest backup'
      : 'no moment can be recovered';
    return join([words, source(scan, facts.now)]);
  }
  const from = new Date(window.from);
  const to = window.to === null ? undefined : new Date(window.to);
  const span = to === undefined ? undefined : formatDuration(Math.max(0, to.getTime() - from.getTime()));
  return join([
    `${formatLocalTime(from)} to ${to === undefined ? window.toLsn : formatLocalTime(to)}`,
    span,
    `timeline ${window.timeline}`,
    source(scan, facts.now),
  ]);
}

function describeGaps(facts: StatusFacts, { scan }: Picture): string {
  if (scan === undefined) return unknown(facts.scan, facts.backups);
  const { gaps, missingSegments, segments, storedBytes } = scan.value;
  return join([
    gaps === 0 ? 'none inside the window' : `${gaps}, ${formatCount(missingSegments, 'segment')} missing`,
    `${formatCount(segments, 'segment')} of ${formatBytes(storedBytes)} stored`,
    source(scan, facts.now),
  ]);
}

function describeDaemon({ daemon, keptScan, now }: StatusFacts): string {
  if (daemon.state === 'failed') return daemon.message;
  if (daemon.state === 'none') {
    const seen = keptScan === undefined ? undefined : `was here ${formatAge(new Date(keptScan.at), now)}`;
    return join(['none runs here', seen]);
  }
  const { pid, pgdata, notReady } = daemon.value;
  return join([
    `pid ${pid ?? 'unknown'}`,
    pgdata === undefined ? 'serves no cluster' : `serves ${pgdata}`,
    notReady.length === 0 ? undefined : `not ready: ${notReady.join('; ')}`,
  ]);
}

function describeEtcd({ etcd, node }: StatusFacts): string {
  if (etcd.state !== 'ok') return unknown(etcd);
  const { leader, members, location } = etcd.value;
  const known = members.map((member) => `${member.node} ${member.role}${member.healthy ? '' : ', not fit'}`);
  return join([
    leader === undefined
      ? 'no node leads'
      : `${leader.node}${leader.node === node ? ' (this node)' : ''} runs the jobs`,
    known.length === 0 ? 'no daemon lives' : `daemons: ${known.join('; ')}`,
    location,
  ]);
}

/** @param told an answer whose reason stands on a line above already */
function unknown(answer: Answer<unknown>, told?: Answer<unknown>): string {
  if (answer.state !== 'failed') return 'unknown';
  const isTold = told?.state === 'failed' && told.message === answer.message;
  return isTold ? 'unknown, for the same reason' : `unknown: ${answer.message}`;
}

/** `from etcd, 4 min old`. */
function source(told: Told<unknown> | undefined, now: Date): string | undefined {
  if (told?.from === undefined) return undefined;
  const from = told.from === 'files' ? 'the data directory' : told.from === 'daemon' ? 'the daemon' : 'etcd';
  if (told.at === undefined) return `from ${from}`;
  return `from ${from}, ${formatDuration(Math.max(0, now.getTime() - told.at.getTime()))} old`;
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(', ');
}
