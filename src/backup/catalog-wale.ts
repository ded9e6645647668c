import type { Backup } from './catalog.ts';
import { likelySegmentSize, walStart, walStop } from './catalog-segments.ts';

const COLUMNS = [
  'name',
  'last_modified',
  'expanded_size_bytes',
  'wal_segment_backup_start',
  'wal_segment_offset_backup_start',
  'wal_segment_backup_stop',
  'wal_segment_offset_backup_stop',
];

/**
 * The table of WAL-E's `backup-list --detail`, byte for byte: tabs, CRLF line ends, offsets of eight decimal
 * digits. Programs read it (Patroni's wale_restore), so backups that cannot be used are not in it.
 */
export function formatWaleTable(backups: readonly Backup[]): string {
  const likely = likelySegmentSize(backups);
  const rows = backups.filter(({ usable }) => usable).map((backup) => formatRow(backup, likely));
  return [COLUMNS, ...rows].map((cells) => `${cells.join('\t')}\r\n`).join('');
}

function formatRow(backup: Backup, likely: number): string[] {
  const start = walStart(backup);
  const stop = walStop(backup, likely);
  return [
    backup.name,
    backup.finishTime.toISOString(),
    // The size of the whole cluster: a replica's bootstrap compares it with the WAL there is to replay.
    String(backup.dataSize ?? backup.uncompressedSize ?? ''),
    start.segment,
    formatOffset(start.offset),
    stop?.segment ?? '',
    stop === undefined ? '' : formatOffset(stop.offset),
  ];
}

function formatOffset(offset: number): string {
  return String(offset).padStart(8, '0');
}
