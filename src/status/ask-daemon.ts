import type { Settings } from '../config/settings.ts';
import { readFromDaemon } from '../daemon/client.ts';
import type { Check } from '../daemon/readiness.ts';
import { daemonSpool } from '../daemon/spool.ts';
import { readState } from '../daemon/state.ts';
import type { ScheduleReport } from '../schedule/report.ts';
import { isAlive } from '../system/process.ts';
import type { DaemonFacts } from './facts.ts';

/** What the daemon says of itself, and of the jobs. */
export type DaemonAnswer = DaemonFacts & { schedule: ScheduleReport | undefined };

/**
 * Asks the daemon of this host's spool. @returns undefined when there is none
 * @throws PgarcError when it does not answer in time
 */
export async function askDaemon(settings: Settings, signal: AbortSignal): Promise<DaemonAnswer | undefined> {
  const [status, readiness, state] = await Promise.all([
    readFromDaemon(settings, '/status', signal),
    readFromDaemon(settings, '/readyz', signal),
    readState(daemonSpool(settings.spool).state),
  ]);
  const { pid, schedule } = (status ?? {}) as { pid?: number; schedule?: ScheduleReport };
  const { checks = [] } = (readiness ?? {}) as { checks?: readonly Check[] };
  const answers = status !== undefined || readiness !== undefined;
  // One of another store answers nothing on the socket, but it lives.
  if (!answers && (state === undefined || !isAlive(state.pid))) return undefined;
  return {
    pid: pid ?? state?.pid,
    pgdata: state?.pgdata,
    answers,
    notReady: checks.filter(({ ok }) => !ok).map(({ name, state: words }) => `${name}: ${words}`),
    leader: schedule?.leader,
    schedule,
  };
}
