import { escapeControls } from '../src/report/printable.ts';
import { formatBytes, formatCount, formatLocalTime } from '../src/report/units.ts';
import type { RetainResult } from '../src/retention/retain.ts';
import type { RetentionRules } from '../src/retention/rules.ts';
import type { WalDrop } from '../src/retention/wal-plan.ts';
import { warningsOf } from '../src/retention/warnings.ts';
import { formatSegmentName } from '../src/wal/segment.ts';
import { renderTable } from './render-table.ts';

/** What `retain` prints: backups, WAL ranges, and what goes in all. @param rules in words */
export function renderRetention(rules: string, result: RetainResult): string {
  const { plan, total, applied } = result;
  const parts = [`Rules: ${rules}.\n`];
  if (plan.decisions.length === 0) parts.push('There are no backups, and without one nothing is dropped.\n');
  else parts.push(renderBackups(result));
  if (plan.wal.drops.length > 0) parts.push(renderWal(result));
  const notes = notesOf(result);
  if (notes.length > 0) parts.push(notes.map((note) => `${escapeControls(note)}\n`).join(''));
  const volume = `${countOf(result)}: ${formatCount(total.objects, 'object')}, ${formatBytes(total.bytes)}`;
  if (applied !== undefined) {
    const done = `Deleted ${countOf(result)}: ${applied.objects} of ${formatCount(total.objects, 'object')}, ${formatBytes(total.bytes)}.\n`;
    parts.push(total.objects === 0 ? 'Nothing to delete.\n' : done);
  } else parts.push(total.objects === 0 ? 'Nothing to delete.\n' : `--confirm would delete ${volume}.\n`);
  return parts.join('\n');
}

/** The document of `retain --json`. Sizes are bytes, times RFC 3339 in UTC; null is what is not known. */
export function toDocument(
  location: string,
  rules: RetentionRules | undefined,
  result: RetainResult,
): unknown {
  const { survey, plan, total, applied } = result;
  return {
    store: location,
    rules: rules === undefined ? null : { ...rules, window: rules.window ?? null },
    backups: plan.decisions.map(({ backup, keep, reasons }) => ({
      name: backup.name,
      finishTime: backup.finishTime.toISOString(),
      keep,
      reasons,
      storedSize: sizeOf(result, backup.name) ?? backup.storedSize ?? null,
    })),
    wal: plan.wal.drops.map((drop, i) => ({
      timeline: drop.timeline,
      first: nameOf(result, drop, drop.first),
      last: nameOf(result, drop, drop.last),
      segments: Number(drop.last - drop.first + 1n),
      storedSize: plan.walVolume.dropBytes[i] ?? 0,
    })),
    unfinished: survey.leftovers.map(({ name, objects, bytes }) => ({ name, objects, storedSize: bytes })),
    notes: notesOf(result),
    warnings: warningsOf(result),
    frees: { backups: plan.dropped.length, objects: total.objects, storedSize: total.bytes },
    deleted:
      applied === undefined
        ? null
        : { backups: applied.backups, objects: applied.objects, refused: applied.refused.objects },
  };
}

function renderBackups(result: RetainResult): string {
  const rows = result.plan.decisions.map(({ backup, keep, reasons }) => {
    const size = sizeOf(result, backup.name) ?? backup.storedSize;
    return [
      backup.name,
      formatLocalTime(backup.finishTime),
      keep ? 'keep' : 'drop',
      reasons.join(', '),
      size === undefined ? '-' : formatBytes(size),
    ];
  });
  const header = ['name', 'finished', 'keep or drop', 'reasons', 'size'];
  return renderTable(header, rows, ['left', 'left', 'left', 'left', 'right']);
}

function renderWal(result: RetainResult): string {
  const { drops } = result.plan.wal;
  const rows = drops.map((drop, i) => [
    nameOf(result, drop, drop.first),
    nameOf(result, drop, drop.last),
    String(drop.last - drop.first + 1n),
    formatBytes(result.plan.walVolume.dropBytes[i] ?? 0),
  ]);
  return renderTable(['WAL to drop, from', 'to', 'segments', 'size'], rows, [
    'left',
    'left',
    'right',
    'right',
  ]);
}

/** Why more stays than the rules say, and what goes beside. */
function notesOf({ survey, plan, keepsVersions }: RetainResult): string[] {
  const broken = survey.leftovers.map(
    ({ name, objects }) =>
      `${name}: its deletion was broken off, ${formatCount(objects, 'object')} of it ${objects === 1 ? 'is' : 'are'} left`,
  );
  const versions = 'the bucket keeps old versions: space is only freed when its lifecycle rules remove them';
  return [...plan.wal.notes, ...broken, ...(keepsVersions ? [versions] : [])];
}

function countOf({ plan }: RetainResult): string {
  const segments = plan.wal.drops.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
  return `${formatCount(plan.dropped.length, 'backup')} and ${formatCount(Number(segments), 'WAL segment')}`;
}

function sizeOf({ volumes }: RetainResult, name: string): number | undefined {
  return volumes.get(name)?.bytes;
}

function nameOf({ survey }: RetainResult, { timeline }: WalDrop, number: bigint): string {
  return formatSegmentName({ timeline, number }, survey.archive.segmentSize);
}
