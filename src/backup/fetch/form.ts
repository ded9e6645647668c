import type { Backup } from '../catalog.ts';
import { BACKUP_LABEL } from './plan.ts';

/**
 * How a backup's files lie in its tars. `own-tars`: pg_control and the label files have tars of their own;
 * pgarc's and what WAL-G takes from a data directory. `streamed`: WAL-G's through a replication connection
 * (`backup-push` without a directory): PostgreSQL's own tars, cut into parts, and pg_control once more in its tar.
 * `streamed-unlisted`: the same without a list of files.
 */
export type BackupForm = 'own-tars' | 'streamed' | 'streamed-unlisted' | 'wal-e';

/** What tells the form of a backup. */
export interface FormClues {
  backup: Pick<Backup, 'kind'>;
  hasManifest: boolean;
  /** Paths on record; undefined when there is no list. */
  files: ReadonlyMap<string, unknown> | undefined;
  /** Names of its tars. */
  tars: readonly string[];
}

/** Only where nothing else is on record does a missing tar of the label tell the form, not a loss. */
export function formOf({ backup, hasManifest, files, tars }: FormClues): BackupForm {
  if (backup.kind === 'wal-e') return 'wal-e';
  if (hasManifest || backup.kind === 'delta') return 'own-tars';
  if (files !== undefined) return files.has(BACKUP_LABEL) ? 'streamed' : 'own-tars';
  return tars.some((name) => name.startsWith('backup_label.tar')) ? 'own-tars' : 'streamed-unlisted';
}

/** Beginnings of the names of tars that a backup of a form cannot be without. */
export const TARS_OF_FORM: Readonly<Record<BackupForm, readonly string[]>> = {
  'own-tars': ['pg_control.tar', 'backup_label.tar'],
  streamed: ['pg_control.tar'],
  'streamed-unlisted': ['pg_control.tar'],
  'wal-e': [],
};

/** First number and digits of parts that are numbered without a gap; elsewhere gaps are normal. */
export const NUMBERING: Readonly<Record<BackupForm, { first: number; digits: number } | undefined>> = {
  'own-tars': undefined,
  streamed: { first: 1, digits: 3 },
  'streamed-unlisted': { first: 1, digits: 3 },
  'wal-e': { first: 0, digits: 8 },
};

/**
 * After which member a tar may end without its end mark. WAL-G does not close what it streams last: pg_control's
 * tar, and the last part, of which pg_control is the last member. Where every file is on record, no lost one
 * could go unnoticed, wherever a tar ends.
 */
export const UNCLOSED_AFTER: Readonly<Record<BackupForm, 'any' | 'pg_control' | undefined>> = {
  'own-tars': undefined,
  streamed: 'any',
  'streamed-unlisted': 'pg_control',
  'wal-e': undefined,
};
