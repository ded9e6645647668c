import type { Lsn } from './lsn.ts';
import type { UnixMicros } from './timestamp.ts';

/** The part of a backup that matters for recovery; a catalog's Backup is one. */
export interface BackupSpan {
  name: string;
  timeline: number;
  startLsn: Lsn;
  finishLsn: Lsn | undefined;
  finishTime: Date;
  usable: boolean;
}

/** A moment to which one can recover. `time` is undefined when no transaction end tells it. */
export interface Moment {
  timeline: number;
  lsn: Lsn;
  time: UnixMicros | undefined;
}

/** A span in which every moment can be recovered: WAL without a gap, from the end of a backup on. */
export interface Window {
  /** Recovery to this timeline; earlier ones that led to it are included. */
  timeline: number;
  /** When the oldest backup of the window was consistent. */
  from: Moment;
  /** The last transaction end in the WAL, and where the WAL ends. */
  to: Moment;
  /** Names, oldest first. */
  backups: readonly string[];
}
