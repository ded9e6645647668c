import { isPgarcError, messageOf } from '../errors.ts';
import { Election } from '../schedule/election.ts';
import { createClusterBook } from '../schedule/job-book.ts';
import { hasSchedule, type Job, jobsOf } from '../schedule/jobs.ts';
import { createOperations } from '../schedule/operations.ts';
import type { ScheduleReport } from '../schedule/report.ts';
import { SYSTEM_CLOCK } from '../schedule/run-job.ts';
import { Scheduler } from '../schedule/scheduler.ts';
import { ServerWatch } from '../schedule/server-watch.ts';
import { createSpoolBook } from '../schedule/spool-book.ts';
import { StandbyFitness } from '../schedule/standby-fitness.ts';
import type { DaemonParts, DaemonService } from './services.ts';

/** ms between two looks whether something is due. */
const TICK = 1000;
/** Longest time between two beats of the election, ms. */
const LONGEST_BEAT = 5000;
/** PostgreSQL is waited for so long, ms. */
const LOOK_LIMIT = 3000;
/** Beats in the time of a lease. */
const BEATS = 6;

export interface ScheduleOptions {
  /** Instead of those of the settings. */
  jobs?: readonly Job[];
}

/**
 * Runs the scheduled jobs, on the node of the scope that is chosen for them; answers `/status`. Without etcd this
 * node runs them.
 * @throws PgarcError `setting-invalid` for jobs that contradict each other
 */
export async function createScheduleService(
  parts: DaemonParts,
  options: ScheduleOptions = {},
): Promise<DaemonService> {
  const { settings, cluster, spool, bus } = parts;
  const jobs = options.jobs ?? jobsOf(settings);
  const node = settings.nodeName;
  const ttl = settings.etcdLease;
  const copy = createSpoolBook(spool.folder);
  const fitness = new StandbyFitness(SYSTEM_CLOCK);
  const scheduler = new Scheduler({
    jobs,
    node,
    book: cluster === undefined ? copy : createClusterBook({ ...cluster, ttl }),
    copy: cluster === undefined ? undefined : copy,
    operate: fitness.watch(createOperations(parts)),
    emit: bus.emit,
    clock: SYSTEM_CLOCK,
    seed: `${settings.scope ?? ''} ${settings.store ?? ''}`,
  });
  const beat = Math.min(LONGEST_BEAT, Math.round(ttl / BEATS));
  const watch = new ServerWatch(settings, LOOK_LIMIT);
  const { backupFrom, backupMaxLag: maxLag } = settings;
  // A node without jobs must not lead: it would run nothing.
  const election =
    cluster === undefined || !hasSchedule(jobs)
      ? undefined
      : new Election(
          {
            ...cluster,
            emit: bus.emit,
            look: async (signal) => fitness.judge(await watch.look(signal)),
            isBusy: () => scheduler.isRunning,
          },
          { backupFrom, maxLag, ttl },
        );
  let isEtcdWell = true;
  const noteEtcd = (error?: unknown) => {
    isEtcdWell = !isPgarcError(error, 'etcd-unreachable');
  };

  const mayStart = () => hasSchedule(jobs) && (cluster === undefined || election?.isLeader === true);
  const loops = [
    startLoop(TICK, bus.emit, noteEtcd, (signal) => scheduler.tick(mayStart(), signal)),
    ...(election === undefined
      ? []
      : [startLoop(beat, bus.emit, noteEtcd, (signal) => election.beat(signal))]),
  ];

  function report(): ScheduleReport {
    const self = election?.self;
    return {
      node,
      source: cluster === undefined ? 'spool' : 'etcd',
      etcd: cluster === undefined ? 'none' : isEtcdWell ? 'ok' : 'unreachable',
      leader: cluster === undefined ? node : election?.leader,
      isLeader: mayStart(),
      self: self && {
        node,
        role: self.role,
        lagBytes: self.lagBytes ?? undefined,
        healthy: self.healthy,
        reason: self.reason ?? undefined,
      },
      jobs: scheduler.report(),
    };
  }

  return {
    routes: {
      '/status': async () => ({ json: { pid: process.pid, schedule: report() } }),
    },
    async stop() {
      const stopping = scheduler.stop();
      await Promise.all(loops.map((loop) => loop.stop()));
      await stopping;
      await election?.leave();
      await watch.close();
    },
  };
}

interface Loop {
  stop(): Promise<void>;
}

/** Does something again and again with a pause between, until stopped. What fails is tried again next time. */
function startLoop(
  pause: number,
  emit: DaemonParts['bus']['emit'],
  note: (error?: unknown) => void,
  act: (signal: AbortSignal) => Promise<void>,
): Loop {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let told = '';
  const turn = async () => {
    try {
      await act(abort.signal);
      note();
      told = '';
    } catch (error) {
      if (abort.signal.aborted) return;
      note(error);
      // etcd's own part tells when it is away.
      const message = messageOf(error);
      if (!isPgarcError(error, 'etcd-unreachable') && message !== told) {
        emit({ type: 'warning', message: `the schedule: ${message}` });
        told = message;
      }
    }
  };
  let turning = Promise.resolve();
  const plan = () => {
    if (abort.signal.aborted) return;
    timer = setTimeout(() => {
      turning = turn().finally(plan);
    }, pause);
  };
  turning = turn().finally(plan);
  return {
    async stop() {
      abort.abort();
      clearTimeout(timer);
      await turning;
    },
  };
}
