import { toDocument as toBackupDocument } from '../backup/catalog-json.ts';
import type { Trouble } from './diagnose.ts';
import type { Answer, StatusFacts } from './facts.ts';
import { answered, type Picture, type Told } from './picture.ts';

/**
 * The document of `pgarc status --json`. Sizes are bytes, times RFC 3339 in UTC, LSNs `X/Y`; null is what is not
 * known. `sources` says of each source whether it answered, and if not, why.
 */
export function toDocument(facts: StatusFacts, picture: Picture, troubles: readonly Trouble[]): unknown {
  const { postgres, etcd, daemon, jobs, now } = facts;
  const server = answered(postgres);
  const { backups, newest, scan, waiting } = picture;
  return {
    healthy: troubles.length === 0,
    troubles,
    time: now,
    node: facts.node,
    host: facts.host,
    scope: facts.scope ?? null,
    store: facts.store ?? null,
    pgdata: facts.pgdata ?? null,
    sources: {
      postgres: describe(postgres),
      files: describe(facts.files),
      store: describe(facts.backups),
      wal: describe(facts.scan),
      etcd: describe(etcd),
      daemon: describe(daemon),
      jobs: describe(jobs),
    },
    systemIdentifier: picture.systemIdentifier ?? null,
    version: picture.version ?? null,
    role: picture.role ?? null,
    timeline: picture.timeline ?? null,
    lsn: server?.lsn ?? null,
    streaming: server?.isStreaming ?? null,
    replayLagBytes: server?.replayLagBytes ?? null,
    archive: {
      mode: server?.archiveMode ?? null,
      waitingFiles: waiting?.value.files ?? null,
      waitingSince: waiting?.value.since ?? null,
      lastArchived: server?.lastArchived ?? null,
      lastArchivedTime: server?.lastArchivedTime ?? null,
      lastFailed: server?.lastFailed ?? null,
      lastFailedTime: server?.lastFailedTime ?? null,
    },
    backups:
      backups === undefined
        ? null
        : {
            ...sourceOf(backups),
            count: backups.value.length,
            storedSize: backups.value.reduce((sum, { storedSize }) => sum + (storedSize ?? 0), 0),
            newest: newest === undefined ? null : toBackupDocument(newest),
          },
    wal: scan === undefined ? null : { ...sourceOf(scan), ...scan.value },
    etcd: withoutBackups(etcd),
    daemon: describeDaemon(daemon),
    jobs: describeJobs(jobs),
  };
}

function describe(answer: Answer<unknown>): { state: string; message?: string } {
  return answer.state === 'failed' ? { state: 'failed', message: answer.message } : { state: answer.state };
}

/** Where it was learnt, and when: null is just now. */
function sourceOf({ from, at }: Told<unknown>): { source: string; at: Date | null } {
  return { source: from ?? 'store', at: at ?? null };
}

function withoutBackups(etcd: StatusFacts['etcd']): unknown {
  if (etcd.state !== 'ok') return null;
  const { location, leader, members } = etcd.value;
  return { location, leader: leader ?? null, members };
}

function describeDaemon(daemon: StatusFacts['daemon']): unknown {
  if (daemon.state !== 'ok') return null;
  const { pid, pgdata, answers, notReady, leader } = daemon.value;
  return { pid: pid ?? null, pgdata: pgdata ?? null, answers, notReady, leader: leader ?? null };
}

function describeJobs(jobs: StatusFacts['jobs']): unknown {
  if (jobs.state !== 'ok') return null;
  const { source, jobs: all } = jobs.value;
  return { source, jobs: all };
}
