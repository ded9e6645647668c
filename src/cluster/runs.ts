import type { KeyValue } from './etcd.ts';
import type { LockName } from './keys.ts';
import type { ClusterDeps } from './lock.ts';
import { readRecord } from './record.ts';

/** The last run of a job, whichever node it ran on. Times RFC 3339, durations ms. */
export interface RunRecord {
  job: LockName;
  /** The moment of the schedule it stands for, or when it was asked for by hand. */
  scheduledFor: string;
  /** From 1. */
  attempt: number;
  node: string;
  state: 'running' | 'ok' | 'warnings' | 'failed';
  startedAt: string;
  finishedAt?: string;
  durationMs?: number;
  /** Why it failed, or what there is to tell. */
  message?: string;
  /** Whether trying again may help a failed one. */
  retryable?: boolean;
  /** The backup it took or read. */
  backup?: string;
  /** 0 to 1, while it runs. */
  progress?: number;
}

export interface StoredRun<Found = RunRecord> {
  record: Found;
  /** What `writeRun` compares. */
  revision: string;
}

type RunDeps = Pick<ClusterDeps, 'etcd' | 'keys'>;

/**
 * The last run of a job. Rubbish in its place is no record, and can be overwritten with its revision.
 * @returns undefined when there is none
 * @throws PgarcError `etcd-unreachable`
 */
export async function readRun(
  { etcd, keys }: RunDeps,
  job: LockName,
  signal: AbortSignal,
): Promise<StoredRun<RunRecord | undefined> | undefined> {
  const found = await etcd.get(keys.run(job), signal);
  return found && { record: parseRun(found.value), revision: found.modRevision };
}

/** The last run of every job. @throws PgarcError `etcd-unreachable` */
export async function listRuns({ etcd, keys }: RunDeps, signal: AbortSignal): Promise<StoredRun[]> {
  const found = await etcd.list(keys.runs, signal);
  return found.flatMap(toStored);
}

/**
 * Writes a job's record, if nobody else did since it was read: of several nodes one starts the run.
 * @param previous the revision that was read; undefined when there was no record
 * @returns whether it was written
 * @throws PgarcError `etcd-unreachable`
 */
export function writeRun(
  { etcd, keys }: RunDeps,
  record: RunRecord,
  previous: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const value = JSON.stringify(record);
  const key = keys.run(record.job);
  return previous === undefined
    ? etcd.create(key, value, {}, signal)
    : etcd.replace(key, value, previous, {}, signal);
}

function toStored({ value, modRevision }: KeyValue): StoredRun[] {
  const record = parseRun(value);
  return record === undefined ? [] : [{ record, revision: modRevision }];
}

const JOBS: readonly unknown[] = ['backup', 'retain', 'verify'];
const STATES: readonly unknown[] = ['running', 'ok', 'warnings', 'failed'];

/** Reads a run's record. @returns undefined for rubbish */
export function parseRun(value: string): RunRecord | undefined {
  const record = readRecord(value);
  if (record === undefined) return undefined;
  const { job, scheduledFor, attempt, node, state, startedAt } = record;
  const isWhole =
    JOBS.includes(job) &&
    STATES.includes(state) &&
    typeof node === 'string' &&
    typeof attempt === 'number' &&
    isMoment(scheduledFor) &&
    isMoment(startedAt);
  return isWhole ? (record as unknown as RunRecord) : undefined;
}

function isMoment(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
