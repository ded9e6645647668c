import type { Backup } from '../src/backup/catalog.ts';
import { durationOf } from '../src/backup/catalog-json.ts';
import { walStart } from '../src/backup/catalog-segments.ts';
import { formatLsn } from '../src/postgres/lsn.ts';
import { formatVersion } from '../src/postgres/version.ts';
import { formatAge, formatBytes, formatDuration, formatLocalTime } from '../src/report/units.ts';
import { type Alignment, renderTable } from './render-table.ts';

const HEADER = [
  'name',
  'kind',
  'finished',
  'age',
  'took',
  'size',
  'stored',
  'WAL start',
  'timeline',
  'version',
  'permanent',
];
const DETAILS = ['LSNs', 'system identifier', 'host', 'data directory', 'built on'];
const RIGHT: ReadonlySet<string> = new Set(['age', 'took', 'size', 'stored', 'timeline', 'version']);

/** The table of `backup-list`, oldest first; what is not known is `-`. */
export function renderBackupTable(backups: readonly Backup[], now: Date, isDetailed: boolean): string {
  const header = isDetailed ? [...HEADER, ...DETAILS] : HEADER;
  const rows = backups.map((backup) => [...summarize(backup, now), ...(isDetailed ? describe(backup) : [])]);
  const alignments: Alignment[] = header.map((name) => (RIGHT.has(name) ? 'right' : 'left'));
  return renderTable(header, rows, alignments);
}

function summarize(backup: Backup, now: Date): string[] {
  const duration = durationOf(backup);
  return [
    backup.name,
    backup.usable ? backup.kind : 'damaged',
    formatLocalTime(backup.finishTime),
    formatAge(backup.finishTime, now),
    duration === undefined ? '-' : formatDuration(duration),
    backup.uncompressedSize === undefined ? '-' : formatBytes(backup.uncompressedSize),
    backup.storedSize === undefined ? '-' : formatBytes(backup.storedSize),
    walStart(backup).segment,
    String(backup.timeline),
    backup.pgVersion === undefined ? '-' : formatVersion(backup.pgVersion),
    backup.isMarkUnknown ? 'unknown' : backup.permanent ? 'yes' : 'no',
  ];
}

function describe(backup: Backup): string[] {
  const finish = backup.finishLsn === undefined ? '?' : formatLsn(backup.finishLsn);
  return [
    `${formatLsn(backup.startLsn)} - ${finish}`,
    backup.systemIdentifier?.toString() ?? '-',
    backup.hostname ?? '-',
    backup.dataDir ?? '-',
    backup.parent ?? '-',
  ];
}
