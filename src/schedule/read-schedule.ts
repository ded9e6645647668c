import { readLeader } from '../cluster/leadership.ts';
import type { ClusterDeps } from '../cluster/lock.ts';
import { listMembers } from '../cluster/members.ts';
import { listRuns } from '../cluster/runs.ts';
import type { Settings } from '../config/settings.ts';
import { readFromDaemon } from '../daemon/client.ts';
import { isPgarcError, messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { describeJob } from './describe-job.ts';
import type { JobRecord } from './job-record.ts';
import { type Job, jobsOf } from './jobs.ts';
import type { JobReport, NodeReport, ScheduleReport } from './report.ts';
import { createSpoolBook } from './spool-book.ts';

export interface ReadDeps {
  settings: Settings;
  /** Undefined where no etcd is set. */
  cluster: ClusterDeps | undefined;
  emit: Emit;
  now?: Date;
}

/** etcd is not waited for longer, ms: the spool knows what this host saw last. */
const PATIENCE = 5000;

/**
 * What the schedule does and did: from etcd, or from this host's spool where there is none or it does not
 * answer, which is told as a warning; what runs on this host, from its daemon.
 * @throws PgarcError `setting-invalid`
 */
export async function readSchedule(deps: ReadDeps, signal: AbortSignal): Promise<ScheduleReport> {
  const { settings, cluster, now = new Date() } = deps;
  const jobs = jobsOf(settings);
  const daemon = await readDaemonReport(settings, signal);
  const shared = cluster === undefined ? undefined : await readCluster(cluster, deps.emit, signal);
  const records = shared?.records ?? (await createSpoolBook(settings.spool).list(signal));
  const node = settings.nodeName;
  const leader = cluster === undefined ? (daemon === undefined ? undefined : node) : shared?.leader;
  return {
    node,
    source: shared === undefined ? 'spool' : 'etcd',
    etcd: cluster === undefined ? 'none' : shared === undefined ? 'unreachable' : 'ok',
    leader,
    isLeader: leader === node,
    self: shared?.self ?? daemon?.self,
    jobs: jobs.map((job) => describe(job, records, daemon, now)),
  };
}

function describe(
  job: Job,
  records: readonly JobRecord[],
  daemon: ScheduleReport | undefined,
  now: Date,
): JobReport {
  const report = describeJob(
    job,
    records.find((record) => record.job === job.name),
    now,
  );
  // The daemon of this host knows how far its own run is.
  const here = daemon?.jobs.find((one) => one.job === job.name)?.running;
  const isSame = here !== undefined && here.startedAt === report.running?.startedAt;
  return isSame ? { ...report, running: here } : report;
}

interface Shared {
  records: JobRecord[];
  leader: string | undefined;
  self: NodeReport | undefined;
}

async function readCluster(
  cluster: ClusterDeps,
  emit: Emit,
  signal: AbortSignal,
): Promise<Shared | undefined> {
  const patience = AbortSignal.timeout(PATIENCE);
  const each = AbortSignal.any([signal, patience]);
  try {
    const [runs, leader, members] = await Promise.all([
      listRuns(cluster, each),
      readLeader(cluster, each),
      listMembers(cluster, each),
    ]);
    const self = members.find(({ node }) => node === cluster.node);
    return {
      records: runs.map(({ record }) => record),
      leader: leader?.node,
      self: self && { ...self, lagBytes: self.lagBytes ?? undefined, reason: self.reason ?? undefined },
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!patience.aborted && !isPgarcError(error, 'etcd-unreachable')) throw error;
    const why = patience.aborted ? `etcd has not answered for ${PATIENCE / 1000} s` : messageOf(error);
    emit({ type: 'warning', message: `${why}: what follows is what this host saw last` });
    return undefined;
  }
}

async function readDaemonReport(
  settings: Settings,
  signal: AbortSignal,
): Promise<ScheduleReport | undefined> {
  const each = AbortSignal.any([signal, AbortSignal.timeout(2000)]);
  const status = await readFromDaemon(settings, '/status', each).catch(() => undefined);
  signal.throwIfAborted();
  return (status as { schedule?: ScheduleReport } | undefined)?.schedule;
}
