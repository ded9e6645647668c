import type { Backup } from '../backup/catalog.ts';
import type { ErrorCode } from '../errors.ts';
import type { Deleted, JobName } from '../schedule/report.ts';
import type { ArchiveScan } from '../status/archive-scan.ts';

/**
 * What operations tell while they run. They never print: report/ turns events into terminal lines,
 * log lines or JSON. Sizes are bytes, times ms, LSNs strings as `X/Y`.
 */
export type PgarcEvent =
  | { type: 'walPushed'; name: string; bytes: number; storedBytes: number; durationMs: number }
  | { type: 'walAlreadyStored'; name: string }
  | { type: 'walFetched'; name: string; bytes: number; durationMs: number }
  /** Fetched by the daemon before anybody asked. */
  | { type: 'walPrefetched'; name: string; bytes: number; durationMs: number }
  /** Handed to PostgreSQL by the daemon; `ahead`: it was fetched before PostgreSQL asked. */
  | { type: 'walTaken'; name: string; ahead: boolean }
  | { type: 'storeRetry'; operation: string; attempt: number; delayMs: number; reason: string }
  /** A request to the store has ended; `status` is undefined when there was no answer. Bytes of bodies. */
  | {
      type: 'storeRequest';
      method: string;
      status: number | undefined;
      sentBytes: number;
      receivedBytes: number;
    }
  | { type: 'phase'; operation: Operation; text: string }
  | {
      type: 'progress';
      operation: Operation;
      doneBytes: number;
      /** Undefined while it is not known. */
      totalBytes: number | undefined;
      storedBytes: number;
    }
  | { type: 'pageDamaged'; file: string; block: number; expected: number; found: number }
  | { type: 'warning'; message: string; hint?: string }
  /** What a user wants to know beside the result, and nothing is wrong. */
  | { type: 'note'; message: string }
  /** The daemon serves the cluster in `pgdata` from now on. */
  | { type: 'daemonReady'; pgdata: string; socket: string }
  /** There is no cluster, not yet or no more. */
  | { type: 'daemonWaiting'; pgdata: string }
  | { type: 'daemonStopping'; uploads: number }
  /** `ahead`: nobody had asked yet. */
  | { type: 'walPushFailed'; name: string; ahead: boolean; code: ErrorCode; message: string }
  /** Not for a file that is not in the archive. */
  | { type: 'walFetchFailed'; name: string; code: ErrorCode; message: string }
  /** The daemon answers HTTP there. */
  | { type: 'httpListening'; url: string }
  /** Files PostgreSQL wants archived, as of now; undefined when there is no cluster, or they cannot be counted. */
  | { type: 'walBacklog'; files: number | undefined }
  /** The store has not answered for so long; told once a minute. `waiting`: files, when they are known. */
  | { type: 'storeDown'; downMs: number; reason: string; waiting: number | undefined }
  /** It answers again. */
  | { type: 'storeUp'; downMs: number; waiting: number | undefined }
  /** etcd stopped answering, or takes no writes; told once. */
  | { type: 'etcdDown'; reason: string }
  /** All is well with it again. */
  | { type: 'etcdUp'; downMs: number }
  /** It was emptied, or put back to an older state: locks and lists of before are gone. */
  | { type: 'etcdWiped' }
  /** The daemon has read the list of backups from the store. Heard by other parts; not logged. */
  | { type: 'backupsListed'; backups: readonly Backup[] }
  /** The daemon has listed the archive's WAL. Not logged either. */
  | { type: 'archiveScanned'; scan: ArchiveScan }
  | ({ type: 'jobStarted' } & JobRun)
  /** `warnings`: done, but somebody should look after what `message` says. */
  | ({
      type: 'jobFinished';
      durationMs: number;
      outcome: 'ok' | 'warnings';
      message?: string | undefined;
      /** The backup that was taken. */
      backup?: string | undefined;
      /** What retention deleted. */
      deleted?: Deleted | undefined;
    } & JobRun)
  | ({
      type: 'jobFailed';
      durationMs: number;
      outcome: 'failed';
      code: ErrorCode;
      message: string;
      hint?: string | undefined;
      /** It is tried again in so many ms; undefined: not before its next scheduled time. */
      retryInMs?: number | undefined;
    } & JobRun)
  /** A run takes longer than its max-duration; told once a run. */
  | ({ type: 'jobLate'; runningMs: number; maxDurationMs: number } & JobRun)
  /** A scheduled run did not take place, and is not made up for. */
  | { type: 'jobMissed'; job: JobName; node: string; scheduledFor: string }
  /** Whether a new replica starts from the archive, and why, in one line. */
  | {
      type: 'replicaDecision';
      verdict: 'use' | 'no' | 'retry';
      reason: string;
      message: string;
      hint?: string | undefined;
    }
  /** The daemon has heard how a replica's bootstrap on this host ended; `at` is RFC 3339, UTC. */
  | { type: 'replicaDecided'; at: string; verdict: 'use' | 'no' | 'retry'; reason: string }
  /** Who runs the scheduled jobs of the scope: `leader` is undefined while nobody does. */
  | { type: 'leadershipChanged'; node: string; leader: string | undefined; isLeader: boolean };

/** A run of a scheduled job. */
export interface JobRun {
  job: JobName;
  /** Where it runs. */
  node: string;
  /** RFC 3339, UTC: the scheduled time, or when it was asked for. */
  scheduledFor: string;
  /** Runs for one scheduled time count from 1. */
  attempt: number;
}

export type Operation = 'backup' | 'restore' | 'verify' | 'retain';

/** Receives events. Must not throw and must not block. */
export type Emit = (event: PgarcEvent) => void;
