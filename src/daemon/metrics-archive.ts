import { latestBackup } from '../backup/catalog.ts';
import type { Handlers, Meters } from './metrics-meters.ts';

const KINDS = ['full', 'delta', 'wal-e'] as const;

/** What the archive holds, from the lists that the daemon reads. */
export function createArchiveMetrics({ level, seconds }: Meters): Handlers {
  const backups = level('pgarc_backups', 'Backups in the store that can be used', 'kind');
  const unusable = level('pgarc_backups_unusable', 'Backups whose sentinel cannot be read');
  const newest = level('pgarc_newest_backup_timestamp_seconds', 'When the newest backup was finished');
  const stored = level('pgarc_stored_bytes', 'Bytes in the store', 'what');
  const listed = level('pgarc_backups_listed_timestamp_seconds', 'When the list of backups was read');
  const from = level('pgarc_window_from_timestamp_seconds', 'The earliest moment that can be recovered');
  const to = level('pgarc_window_to_timestamp_seconds', 'The latest moment that can be recovered');
  const gaps = level('pgarc_wal_gaps', 'Gaps inside the window');
  const missing = level('pgarc_wal_missing_segments', 'Segments missing inside the window');
  const broken = level('pgarc_backups_without_wal', 'Usable backups of which some WAL is missing');
  const scanned = level('pgarc_archive_scanned_timestamp_seconds', "When the archive's WAL was listed");
  return {
    backupsListed({ backups: all }) {
      const usable = all.filter((backup) => backup.usable);
      for (const kind of KINDS) backups(usable.filter((backup) => backup.kind === kind).length, { kind });
      unusable(all.length - usable.length);
      const finished = latestBackup(all)?.finishTime.getTime();
      newest(finished === undefined ? undefined : finished / 1000);
      stored(
        all.reduce((sum, { storedSize }) => sum + (storedSize ?? 0), 0),
        { what: 'backups' },
      );
      listed(seconds());
    },
    archiveScanned({ scan }) {
      from(toSeconds(scan.window?.from));
      to(toSeconds(scan.window?.to));
      gaps(scan.gaps);
      missing(scan.missingSegments);
      broken(scan.brokenCount);
      stored(scan.storedBytes, { what: 'wal' });
      scanned(toSeconds(scan.at));
    },
  };
}

function toSeconds(time: string | null | undefined): number | undefined {
  return time === null || time === undefined ? undefined : Date.parse(time) / 1000;
}
