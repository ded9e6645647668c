import { PgarcError } from '../errors.ts';
import { type Lsn, parseLsn } from './lsn.ts';

/** What pgarc needs of a backup_label (PostgreSQL: build_backup_content). */
export interface BackupLabel {
  startLsn: Lsn;
  timeline: number;
  /** Of the record of the checkpoint that the backup begins with. */
  checkpointLsn: Lsn;
  fromStandby: boolean;
}

/** Reads a backup_label's text. @throws PgarcError `failed` when it is none */
export function parseBackupLabel(text: string): BackupLabel {
  const readLsn = (name: string) =>
    parseLsn(new RegExp(`^${name} LOCATION: (\\S+)`, 'm').exec(text)?.[1] ?? '');
  const startLsn = readLsn('START WAL');
  const checkpointLsn = readLsn('CHECKPOINT');
  const timeline = Number(/^START TIMELINE: (\d+)/m.exec(text)?.[1]);
  if (startLsn === undefined || checkpointLsn === undefined || !Number.isSafeInteger(timeline)) {
    throw new PgarcError('failed', 'PostgreSQL returned a backup label without its start');
  }
  const fromStandby = /^BACKUP FROM: standby$/m.test(text);
  return { startLsn, timeline, checkpointLsn, fromStandby };
}
