/** The jobs that run by the clock. */
export const JOB_NAMES = ['backup', 'retain', 'verify'] as const;
export type JobName = (typeof JOB_NAMES)[number];

/**
 * What the daemon answers to `POST /status` on its socket, under `schedule`, and `pgarc schedule --json` prints.
 * Times are RFC 3339 in UTC, durations ms.
 */
export interface ScheduleReport {
  /** The node that reports. */
  node: string;
  /** Where the last runs were read: etcd, or this host's spool. */
  source: 'etcd' | 'spool';
  /** Whether etcd answers; `none` where none is set. */
  etcd: 'ok' | 'unreachable' | 'none';
  /** The node that runs the jobs; undefined while there is none, or it is not known. */
  leader: string | undefined;
  isLeader: boolean;
  /** This node's server, as the election sees it. Undefined until it was asked. */
  self: NodeReport | undefined;
  jobs: readonly JobReport[];
}

export interface NodeReport {
  node: string;
  /** Undefined when PostgreSQL does not answer. */
  role: 'primary' | 'replica' | undefined;
  /** WAL this replica has not replayed yet, bytes; undefined when it cannot be told. */
  lagBytes: number | undefined;
  healthy: boolean;
  /** Why it is not healthy. */
  reason: string | undefined;
}

export interface JobReport {
  job: JobName;
  /** Undefined: it runs only when it is asked for. */
  cron: string | undefined;
  timeZone: string;
  jitterMs: number;
  catchUp: boolean;
  maxDurationMs: number | undefined;
  /** The run that is under way, here or elsewhere. */
  running: RunReport | undefined;
  /** The last run that has ended. */
  last: RunReport | undefined;
  /** The next scheduled times, without jitter; empty without a cron expression. */
  next: readonly string[];
  /** A run that failed is tried again then. */
  retryAt: string | undefined;
}

/** One run of a job. */
export interface RunReport {
  /** The scheduled time, or when it was asked for. */
  scheduledFor: string;
  attempt: number;
  node: string;
  state: RunState;
  startedAt: string;
  finishedAt?: string | undefined;
  durationMs?: number | undefined;
  /** Why it failed, or what was amiss. */
  message?: string | undefined;
  /** Name of the backup that was taken. */
  backup?: string | undefined;
  /** What retention deleted. Bytes as stored. */
  deleted?: Deleted | undefined;
  /** While it runs. */
  progress?: RunProgress | undefined;
}

export type RunState = 'running' | 'ok' | 'warnings' | 'failed';

export interface Deleted {
  backups: number;
  segments: number;
  objects: number;
  bytes: number;
}

export interface RunProgress {
  /** 0 to 1; undefined while it is not known. */
  fraction: number | undefined;
  /** What it does just now, in words. Of a run on this node only, like the bytes. */
  phase?: string | undefined;
  doneBytes?: number | undefined;
  totalBytes?: number | undefined;
}
