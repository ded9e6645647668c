import type { Etcd } from '../cluster/etcd.ts';
import type { ClusterKeys } from '../cluster/keys.ts';
import { acquireLock } from '../cluster/lock.ts';
import { listRuns, readRun, writeRun } from '../cluster/runs.ts';
import type { JobRecord } from './job-record.ts';
import type { JobName } from './report.ts';

/** A job's last run as it was read, to be replaced only when nobody else did in between. */
export interface ReadRecord {
  /** Undefined when there is none, or rubbish. */
  record: JobRecord | undefined;
  /** What `write` compares; undefined when there was nothing. */
  revision: string | undefined;
}

/** A lock under which one process at a time runs a job. */
export interface JobLock {
  /** Aborts with a PgarcError when the lock may no longer be relied on. */
  readonly lost: AbortSignal;
  /** @throws PgarcError when it is not held any more, or nobody can tell */
  assertHeld(signal: AbortSignal): Promise<void>;
  release(): Promise<void>;
}

/** Where the last runs are kept, and the locks: etcd for all nodes of a scope, or the spool of one host. */
export interface JobBook {
  readonly source: 'etcd' | 'spool';
  /** The last run of every job. @throws PgarcError `etcd-unreachable` */
  list(signal: AbortSignal): Promise<JobRecord[]>;
  /** @throws PgarcError `etcd-unreachable` */
  read(job: JobName, signal: AbortSignal): Promise<ReadRecord>;
  /** @returns whether it was written. @throws PgarcError `etcd-unreachable` */
  write(record: JobRecord, revision: string | undefined, signal: AbortSignal): Promise<boolean>;
  /** @throws PgarcError `locked` that names the holder; `etcd-unreachable` */
  lock(job: JobName, signal: AbortSignal): Promise<JobLock>;
}

export interface ClusterBookDeps {
  etcd: Etcd;
  keys: ClusterKeys;
  node: string;
  /** Of a lock's lease, ms. */
  ttl: number;
}

/** The book of a scope, in etcd. */
export function createClusterBook(deps: ClusterBookDeps): JobBook {
  return {
    source: 'etcd',
    list: async (signal) => (await listRuns(deps, signal)).map(({ record }) => record),
    async read(job, signal) {
      const stored = await readRun(deps, job, signal);
      return { record: stored?.record, revision: stored?.revision };
    },
    write: (record, revision, signal) => writeRun(deps, record, revision, signal),
    lock: (job, signal) => acquireLock(deps, job, { ttl: deps.ttl }, signal),
  };
}
