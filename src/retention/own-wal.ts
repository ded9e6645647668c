import type { Backup } from '../backup/catalog.ts';
import { coveredRanges, type LsnRange, type Segments, spansOf } from '../wal/gaps.ts';
import { rangeOf } from '../wal/window.ts';

/**
 * Names of usable backups of whose WAL, from start to stop, something is not in the archive. A standby's
 * backup may stop on a later timeline than it started on, so any way that begins with its own will do.
 */
export function findWithoutWal(archive: Segments, backups: readonly Backup[]): Set<string> {
  const ways = new Map<number, readonly LsnRange[][]>();
  const waysFrom = (timeline: number): readonly LsnRange[][] => {
    const known = ways.get(timeline);
    if (known !== undefined) return known;
    const heirs = [...archive.histories]
      .filter(([, entries]) => entries.some((entry) => entry.timeline === timeline))
      .map(([heir]) => heir);
    const found = [timeline, ...heirs].map((one) => coveredRanges(archive, spansOf(archive, one)));
    ways.set(timeline, found);
    return found;
  };
  const missing = backups.filter(
    (backup) =>
      backup.usable && !waysFrom(backup.timeline).some((covered) => rangeOf(covered, backup) !== undefined),
  );
  return new Set(missing.map(({ name }) => name));
}
