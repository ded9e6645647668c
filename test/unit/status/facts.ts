import type { Backup } from '../../../src/backup/catalog.ts';
import type { JobReport, RunReport } from '../../../src/schedule/report.ts';
import type { ArchiveScan } from '../../../src/status/archive-scan.ts';
import type {
  Answer,
  DaemonFacts,
  EtcdFacts,
  FileFacts,
  JobFacts,
  PostgresFacts,
  StatusFacts,
} from '../../../src/status/facts.ts';

export const NOW = new Date('2026-11-21T12:00:00Z');
export const SYSTEM = '7710628142572338094';

export function ago(minutes: number): Date {
  return new Date(NOW.getTime() - minutes * 60_000);
}

export function ok<T>(value: T): Answer<T> {
  return { state: 'ok', value };
}

export function failed(message: string): { state: 'failed'; message: string; hint: undefined } {
  return { state: 'failed', message, hint: undefined };
}

export const NONE = { state: 'none' } as const;

export const POSTGRES: PostgresFacts = {
  address: '/tmp/.s.PGSQL.5432',
  versionNumber: 150014,
  systemIdentifier: SYSTEM,
  inRecovery: false,
  timeline: 3,
  segmentSize: 16 * 2 ** 20,
  archiveMode: 'on',
  needsRestart: false,
  callsPgarc: true,
  archiveLibrary: '',
  lastArchived: '000000030000000000000042',
  lastArchivedTime: ago(2),
  lastFailed: undefined,
  lastFailedTime: undefined,
  lsn: '0/43000060',
  replayLagBytes: undefined,
  replayedTime: undefined,
  isStreaming: undefined,
  waiting: { files: 0, since: undefined },
};

export const STANDBY: PostgresFacts = {
  ...POSTGRES,
  inRecovery: true,
  lastArchived: undefined,
  lastArchivedTime: undefined,
  replayLagBytes: 4096,
  replayedTime: ago(1),
  isStreaming: true,
};

export const FILES: FileFacts = {
  version: '15',
  systemIdentifier: SYSTEM,
  state: 'in production',
  timeline: 3,
  modified: ago(5),
  hasPostmaster: true,
  isStandby: false,
  hasPatroni: false,
  account: undefined,
  waiting: { files: 0, since: undefined },
};

export const BACKUP: Backup = {
  name: 'base_000000030000000000000040',
  kind: 'full',
  startLsn: 0x40000028n,
  finishLsn: 0x40000100n,
  timeline: 3,
  systemIdentifier: BigInt(SYSTEM),
  startTime: ago(185),
  finishTime: ago(180),
  uncompressedSize: 12 * 2 ** 30,
  storedSize: 3 * 2 ** 30,
  dataSize: 12 * 2 ** 30,
  pgVersion: 150014,
  permanent: false,
  hostname: 'db1',
  dataDir: '/data',
  parent: undefined,
  fullName: undefined,
  deltaCount: undefined,
  userData: undefined,
  usable: true,
  warnings: [],
};

export const SCAN: ArchiveScan = {
  at: NOW.toISOString(),
  segments: 66,
  storedBytes: 200 * 2 ** 20,
  newest: ['00000002000000000000000A', '000000030000000000000042'],
  window: {
    timeline: 3,
    from: '2026-11-20T12:00:00.000000Z',
    to: '2026-11-21T11:59:30.000000Z',
    fromLsn: '0/10000100',
    toLsn: '0/43000000',
    backups: 2,
  },
  gaps: 0,
  missingSegments: 0,
  missing: [],
  broken: [],
  brokenCount: 0,
};

export const ETCD: EtcdFacts = {
  location: 'http://10.0.0.1:2379',
  leader: { node: 'db2', pid: 7, since: NOW.toISOString() },
  members: [member('db1', 'primary', true), member('db2', 'replica', true)],
  backups: { list: [BACKUP], readAt: ago(4) },
};

export function member(node: string, role: 'primary' | 'replica', healthy: boolean) {
  return {
    node,
    role,
    lagBytes: 0,
    lsn: '0/1',
    healthy,
    reason: healthy ? null : 'it lags',
    at: NOW.toISOString(),
  };
}

export const DAEMON: DaemonFacts = { pid: 42, pgdata: '/data', answers: true, notReady: [], leader: 'db2' };

export const RUN: RunReport = {
  scheduledFor: '2026-11-21T09:00:00.000Z',
  attempt: 1,
  node: 'db2',
  state: 'ok',
  startedAt: '2026-11-21T09:00:00.000Z',
  finishedAt: '2026-11-21T09:05:00.000Z',
  durationMs: 300_000,
  backup: BACKUP.name,
};

export const JOB: JobReport = {
  job: 'backup',
  cron: '0 9 * * *',
  timeZone: 'UTC',
  jitterMs: 0,
  catchUp: false,
  maxDurationMs: 3_600_000,
  running: undefined,
  last: RUN,
  next: ['2026-11-22T09:00:00.000Z'],
  retryAt: undefined,
};

export const JOBS: JobFacts = {
  jobs: [JOB],
  source: 'etcd',
  isKept: false,
  backupTimes: [new Date('2026-11-20T09:00:00Z'), new Date('2026-11-21T09:00:00Z')],
};

/** A cluster that is well in every respect, but for what the test changes. */
export function facts(changes: Partial<StatusFacts> = {}): StatusFacts {
  return {
    now: NOW,
    node: 'db1',
    host: 'db1',
    scope: 'main',
    store: 's3://backups/main',
    pgdata: '/data',
    hasPatroni: false,
    postgres: ok(POSTGRES),
    files: ok(FILES),
    backups: ok([BACKUP]),
    scan: ok(SCAN),
    keptScan: undefined,
    etcd: ok(ETCD),
    daemon: ok(DAEMON),
    jobs: ok(JOBS),
    ...changes,
  };
}
