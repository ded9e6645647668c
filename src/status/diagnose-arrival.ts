import { formatAge } from '../report/units.ts';
import { parseSegmentName } from '../wal/segment.ts';
import type { ArchiveScan } from './archive-scan.ts';
import type { StatusFacts } from './facts.ts';
import { answered, type Picture } from './picture.ts';

/** What was archived so long before a listing began is in it, though two clocks differ a little; ms. */
const CLOCK_MARGIN = 3_000;
/** No server archives as many segments while one listing runs. */
const MANY_SEGMENTS = 256n;

/**
 * Whether what PostgreSQL takes for archived is in the archive: an archive_command that stores nothing, or elsewhere,
 * does not fail. Another node may have archived more.
 * @returns what is wrong, undefined when nothing is, or it cannot be told
 */
export function describeLostWal({ postgres, now }: StatusFacts, { scan }: Picture): string | undefined {
  const server = answered(postgres);
  if (server === undefined || server.inRecovery || scan === undefined) return undefined;
  const { lastArchived: name, lastArchivedTime: time, segmentSize } = server;
  // A history file or a .backup file says nothing of the segments before it.
  const archived = name === undefined ? undefined : parseSegmentName(name, segmentSize);
  // Of a timeline that another has replaced, retention may have dropped all.
  if (archived?.timeline !== server.timeline || time === undefined) return undefined;
  const newest = newestOn(scan.value, archived.timeline, segmentSize);
  const lost = newest === undefined ? undefined : archived.number - newest.number;
  if (lost !== undefined && lost <= 0n) return undefined;
  const isBefore = time.getTime() + CLOCK_MARGIN < Date.parse(scan.value.at);
  const isFar = scan.from === undefined && lost !== undefined && lost > MANY_SEGMENTS;
  if (!isBefore && !isFar) return undefined;
  const end = newest === undefined ? 'holds no segment of its timeline' : `ends at ${newest.name}`;
  return `PostgreSQL archived ${name} ${formatAge(time, now)}, and the archive ${end}`;
}

function newestOn({ newest }: ArchiveScan, timeline: number, segmentSize: number) {
  return newest
    .map((name) => ({ name, ...parseSegmentName(name, segmentSize) }))
    .find(
      (segment): segment is { name: string; timeline: number; number: bigint } =>
        segment.timeline === timeline,
    );
}
