import { PgarcError } from '../errors.ts';
import { type Lsn, parseLsn } from './lsn.ts';

/** What pgarc needs of a backup_label (PostgreSQL: build_backup_content). */
export interface BackupLabel {
  startLsn: Lsn;
  timeline: number;
}

/** Reads a backup_label's text. @throws PgarcError `failed` when it is none */
export function parseBackupLabel(text: string): BackupLabel {
  const startLsn = parseLsn(/^START WAL LOCATION: (\S+)/m.exec(text)?.[1] ?? '');
  const timeline = Number(/^START TIMELINE: (\d+)/m.exec(text)?.[1]);
  if (startLsn === undefined || !Number.isSafeInteger(timeline)) {
    throw new PgarcError('failed', 'PostgreSQL returned a backup label without its start');
  }
  return { startLsn, timeline };
}
