import type { Definition, Schema } from './definition.ts';
import type { JobSettings } from './settings.ts';
import { choice, cronExpression, endpoint, flag, size, timeout, timeZone } from './value-types.ts';

type JobName = 'Backup' | 'Retain' | 'Verify';

/** What the daemons of a scope do by the clock, and whom they tell. */
export const SCHEDULE: Pick<
  Schema,
  | keyof (JobSettings<'Backup'> & JobSettings<'Retain'> & JobSettings<'Verify'>)
  | 'backupFrom'
  | 'backupMaxLag'
  | 'webhookUrl'
> = {
  ...defineJob('Backup', 'takes a full base backup'),
  ...defineJob('Retain', 'applies the rules of retention'),
  ...defineJob('Verify', 'reads back the newest backup and its WAL'),
  backupFrom: {
    name: 'backup-from',
    type: choice('primary', 'replica', 'any'),
    fallback: () => 'replica',
    description: 'node that scheduled jobs run on; replica: the primary where no replica is fit',
  },
  backupMaxLag: {
    name: 'backup-max-lag',
    type: size,
    fallback: () => 64 * 1024 * 1024,
    description: 'WAL a replica may be behind the primary and still be fit for a scheduled backup',
  },
  webhookUrl: {
    name: 'webhook-url',
    type: endpoint,
    secret: true,
    description: 'receives a JSON document when a scheduled job fails, takes too long, or is well again',
  },
};

function defineJob<Job extends JobName>(job: Job, does: string) {
  const prefix = `schedule-${job.toLowerCase()}`;
  const settings = {
    Cron: {
      name: `${prefix}-cron`,
      type: cronExpression,
      description: `when the daemon ${does}, as a cron expression; unset: never by itself`,
    } satisfies Definition<string | undefined>,
    TimeZone: {
      name: `${prefix}-time-zone`,
      type: timeZone,
      fallback: () => 'UTC',
      description: 'time zone of that expression',
    } satisfies Definition<string>,
    Jitter: {
      name: `${prefix}-jitter`,
      type: timeout(0),
      fallback: () => 0,
      description: 'each run starts up to so much later, by chance',
    } satisfies Definition<number>,
    CatchUp: {
      name: `${prefix}-catch-up`,
      type: flag,
      fallback: () => false,
      description: 'run once when the daemon comes back after it missed a run',
    } satisfies Definition<boolean>,
    MaxDuration: {
      name: `${prefix}-max-duration`,
      type: timeout(1000),
      description: 'report a run that takes longer',
    } satisfies Definition<number | undefined>,
    PingUrl: {
      name: `${prefix}-ping-url`,
      type: endpoint,
      secret: true,
      description:
        'asked at URL/start when a run starts, at URL when it ends well and at URL/fail when it fails',
    } satisfies Definition<string | undefined>,
  };
  const entries = Object.entries(settings).map(([key, definition]) => [`schedule${job}${key}`, definition]);
  return Object.fromEntries(entries) as Pick<Schema, keyof JobSettings<Job>>;
}
