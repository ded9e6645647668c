import type { Backup } from '../backup/catalog.ts';
import type { Lsn } from '../postgres/lsn.ts';
import type { Segments } from '../wal/gaps.ts';
import type { HistoryEntry } from '../wal/history.ts';

/** What the server that Patroni would copy from says of itself. */
export interface LeaderFacts {
  /** `host:port` or the socket. */
  address: string;
  systemIdentifier: bigint;
  timeline: number;
  /** How far its WAL goes; on a replica the greatest of what it received and what it replayed. */
  lsn: Lsn;
  /** Whether it is a replica itself; undefined when it does not tell. */
  inRecovery: boolean | undefined;
  /** How its timeline came to be; undefined when it does not tell. */
  history: readonly HistoryEntry[] | undefined;
}

/** `none`: Patroni knows no leader. */
export type Leader =
  | { kind: 'none' }
  | { kind: 'unreachable'; problem: string }
  | ({ kind: 'reached' } & LeaderFacts);

export interface Thresholds {
  /** Of 2^20 bytes. */
  megabytes: number;
  /** Of the backup's uncompressed size. */
  percentage: number;
}

/** Everything the decision depends on. */
export interface Facts {
  leader: Leader;
  /** Patroni's no_leader: a leader that is not there is no reason against the archive. */
  noLeader: boolean;
  thresholds: Thresholds;
  backups: readonly Backup[];
  /** The WAL in the store; undefined while the store does not answer. */
  archive: Segments | undefined;
  /** Whose archive it is, where that is on record. */
  archiveOwner: bigint | undefined;
}
