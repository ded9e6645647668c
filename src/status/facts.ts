import type { Backup } from '../backup/catalog.ts';
import type { Holder } from '../cluster/holder.ts';
import type { Member } from '../cluster/members.ts';
import type { Account } from '../postgres/account.ts';
import type { ClusterState } from '../postgres/control-file.ts';
import type { JobReport } from '../schedule/report.ts';
import type { ArchiveScan } from './archive-scan.ts';

/** What a source answered. `none`: there is nothing to ask, because it is not set or not there. */
export type Answer<T> =
  | { state: 'ok'; value: T }
  | { state: 'failed'; message: string; hint: string | undefined }
  | { state: 'none' };

/** All that `pgarc status` could find out. Sizes are bytes. */
export interface StatusFacts {
  now: Date;
  /** This node and this machine. */
  node: string;
  host: string;
  scope: string | undefined;
  /** The store as people write it; undefined when none is set. */
  store: string | undefined;
  pgdata: string | undefined;
  /** Whether the settings come from Patroni's own, or the data directory has its file. */
  hasPatroni: boolean;
  postgres: Answer<PostgresFacts>;
  files: Answer<FileFacts>;
  /** Read from the store just now. */
  backups: Answer<readonly Backup[]>;
  /** Listed just now. */
  scan: Answer<ArchiveScan>;
  /** What the daemon of this host listed last. */
  keptScan: ArchiveScan | undefined;
  etcd: Answer<EtcdFacts>;
  daemon: Answer<DaemonFacts>;
  jobs: Answer<JobFacts>;
}

/** What the server says. */
export interface PostgresFacts {
  address: string;
  versionNumber: number;
  systemIdentifier: string;
  inRecovery: boolean;
  timeline: number;
  segmentSize: number;
  archiveMode: string;
  /** Whether archive_mode was set to another value, which a restart will bring. */
  needsRestart: boolean;
  /** Whether archive_command calls pgarc, as far as one sees; undefined when the user may not see it. */
  callsPgarc: boolean | undefined;
  /** archive_library, which goes before archive_command; undefined when the user may not see it. */
  archiveLibrary: string | undefined;
  lastArchived: string | undefined;
  lastArchivedTime: Date | undefined;
  lastFailed: string | undefined;
  lastFailedTime: Date | undefined;
  /** Written on a primary, replayed on a standby: `X/Y`. */
  lsn: string | undefined;
  /** Of a standby: received and not replayed, and when what it replayed last was committed. */
  replayLagBytes: number | undefined;
  replayedTime: Date | undefined;
  /** Of a standby: whether it receives WAL from another server. */
  isStreaming: boolean | undefined;
  /** As FileFacts has them, from the server; undefined when the user may not see them. */
  waiting: Waiting | undefined;
}

/** WAL that the server wants archived. */
export interface Waiting {
  files: number;
  /** Since when the oldest waits. */
  since: Date | undefined;
}

/** What the data directory says, whether the server runs or not. */
export interface FileFacts {
  /** `15`. */
  version: string | undefined;
  systemIdentifier: string;
  state: ClusterState;
  timeline: number;
  /** When pg_control was written last. */
  modified: Date;
  /** Whether postmaster.pid names a process that lives. */
  hasPostmaster: boolean;
  /** standby.signal or recovery.signal. */
  isStandby: boolean;
  /** Whether Patroni has kept its settings here. */
  hasPatroni: boolean;
  /** Whom the directory belongs to; undefined for anybody but root. */
  account: Account | undefined;
  waiting: Waiting;
}

/** What etcd holds of the cluster. */
export interface EtcdFacts {
  location: string;
  leader: Holder | undefined;
  members: readonly Member[];
  /** The list it keeps for when the store is silent. */
  backups: { list: readonly Backup[]; readAt: Date } | undefined;
}

/** What the spool tells of the daemon on this host, and the daemon of itself. */
export interface DaemonFacts {
  /** Undefined while it serves no cluster. */
  pid: number | undefined;
  pgdata: string | undefined;
  /** Whether it serves the store of these settings. */
  answers: boolean;
  /** Conditions that are not met, in its words. */
  notReady: readonly string[];
  /** Who runs the jobs, as it knows; undefined when it does not say. */
  leader: string | undefined;
}

/** The jobs of the schedule, and how each ended last. */
export interface JobFacts {
  jobs: readonly JobReport[];
  /** Where the last results come from: etcd, the spool of this host, or the daemon. */
  source: 'daemon' | 'etcd' | 'spool';
  /** They are what this host knew last: etcd, where they are kept, does not answer. */
  isKept: boolean;
  /** Scheduled times of a backup that have passed, the last two, oldest first. */
  backupTimes: readonly Date[];
}
