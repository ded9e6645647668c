/**
 * SQL that tells whether a segment and all before it are archived. Not by pg_stat_archiver: what that names may be a
 * .backup file by now, which was archived right after the segment.
 */
export function isArchived(segment: string): string {
  return `SELECT count(*) = 0 FROM pg_ls_archive_statusdir()
    WHERE name ~ '^[0-9A-F]{24}[.]ready$' AND name <= '${segment}.ready' COLLATE "C"`;
}
