import { SCHEMA } from '../config/schema.ts';
import type { JobSettings, Settings } from '../config/settings.ts';
import { duration } from '../config/value-types.ts';
import { PgarcError } from '../errors.ts';
import { type RuleSettings, rulesOf } from '../retention/rules.ts';
import { type Cron, createCron } from './cron.ts';
import { JOB_NAMES, type JobName } from './report.ts';

/** A job and when it runs. Durations are ms. */
export interface Job {
  readonly name: JobName;
  /** Undefined: only when it is asked for. */
  readonly cron: Cron | undefined;
  /** The zone in which its times are told. */
  readonly timeZone: string;
  /** Each run starts up to so much later. */
  readonly jitter: number;
  /** Whether a run that was missed is made up for, once. */
  readonly catchUp: boolean;
  /** A run that takes longer is told; undefined: none is. */
  readonly maxDuration: number | undefined;
}

type Part = 'Backup' | 'Retain' | 'Verify';
export type ScheduleSettings = JobSettings<'Backup'> &
  JobSettings<'Retain'> &
  JobSettings<'Verify'> &
  RuleSettings &
  Pick<Settings, 'etcdEndpoints' | 'scope'>;

/**
 * The three jobs of the settings.
 * @throws PgarcError `setting-invalid` for settings that contradict each other, naming them
 */
export function jobsOf(settings: ScheduleSettings): Job[] {
  const jobs = JOB_NAMES.map((name) => readJob(name, settings));
  const retain = jobs.find(({ name }) => name === 'retain');
  // Asked for in any case: rules that would keep nothing are refused by whoever reads them, scheduled or not.
  const rules = rulesOf(settings);
  if (retain?.cron !== undefined && rules === undefined) {
    throw contradiction(
      ['schedule-retain-cron'],
      'setting schedule-retain-cron is set, but no rule of retention: nothing would ever be deleted',
      'Set keep-window or another of the rules in docs/retention.md, or remove schedule-retain-cron.',
    );
  }
  if (hasSchedule(jobs) && settings.etcdEndpoints.length > 0 && settings.scope === undefined) {
    throw contradiction(
      ['etcd-endpoints', 'scope'],
      'setting etcd-endpoints is set, but not scope: each node would run the scheduled jobs by itself',
      'Set scope, the same on all nodes of the cluster, or remove etcd-endpoints.',
    );
  }
  return jobs;
}

/** Whether anything runs by the clock. */
export function hasSchedule(jobs: readonly Job[]): boolean {
  return jobs.some(({ cron }) => cron !== undefined);
}

function readJob(name: JobName, settings: ScheduleSettings): Job {
  const part = `${name[0]!.toUpperCase()}${name.slice(1)}` as Part;
  const expression = settings[`schedule${part}Cron`];
  const timeZone = settings[`schedule${part}TimeZone`];
  const jitter = settings[`schedule${part}Jitter`];
  const catchUp = settings[`schedule${part}CatchUp`];
  const cron = expression === undefined ? undefined : createCron(expression, timeZone);
  const cronName = SCHEMA[`schedule${part}Cron`].name;
  const jitterName = SCHEMA[`schedule${part}Jitter`].name;
  if (cron === undefined) {
    const idle = [
      ...(jitter > 0 ? [jitterName] : []),
      ...(catchUp ? [SCHEMA[`schedule${part}CatchUp`].name] : []),
    ];
    if (idle.length > 0) {
      throw contradiction(
        idle,
        `setting ${idle[0]} is set, but not ${cronName}: there is no time it could speak of`,
        `Set ${cronName}, or remove ${idle.join(' and ')}.`,
      );
    }
  } else if (jitter >= shortestInterval(cron)) {
    throw contradiction(
      [jitterName, cronName],
      `setting ${jitterName} of ${duration.format(jitter)} is not shorter than the time between two runs of ${cronName} "${cron.expression}"`,
      'A run would be due before the one before it has started: make it shorter.',
    );
  }
  const maxDuration = settings[`schedule${part}MaxDuration`];
  return { name, cron, timeZone, jitter, catchUp, maxDuration };
}

/** Of the next few runs, ms. */
function shortestInterval(cron: Cron): number {
  let shortest = Number.POSITIVE_INFINITY;
  let last = cron.next(new Date());
  for (let i = 0; i < 10; i++) {
    const run = cron.next(last);
    shortest = Math.min(shortest, run.getTime() - last.getTime());
    last = run;
  }
  return shortest;
}

function contradiction(names: readonly string[], message: string, hint: string): PgarcError {
  return new PgarcError('setting-invalid', message, {
    hint,
    details: { settings: names.map((name) => ({ name, message })) },
  });
}
