import { formatLsn } from '../src/postgres/lsn.ts';
import { escapeControls } from '../src/report/printable.ts';
import type { GapPlace, JudgedGap } from '../src/wal/gap-place.ts';
import { describeMinimal } from '../src/wal/minimal.ts';
import { formatSegmentName } from '../src/wal/segment.ts';
import { formatTimestamp } from '../src/wal/timestamp.ts';
import type { TimelineReport, WalReport } from '../src/wal/verify.ts';
import type { Moment } from '../src/wal/window.ts';
import { describeMoment } from './moment.ts';
import { renderTable } from './render-table.ts';

const PLACES: Readonly<Record<GapPlace, string>> = {
  window: 'inside the window: moments there cannot be reached',
  before: 'older than every backup, needed by none',
  trimmed: 'between what two backups need, as retention leaves it',
  branch: 'on a timeline that does not lead to the newest',
};

/** The document of `wal-verify --json`. LSNs are `X/Y`, times RFC 3339 with microseconds, sizes bytes. */
export function toDocument(location: string, report: WalReport): unknown {
  const { archive } = report;
  return {
    store: location,
    ok: report.ok && report.timelines.length > 0,
    segmentSize: archive.segmentSize,
    segments: archive.segmentCount,
    storedSize: archive.storedBytes,
    currentTimeline: report.current ?? null,
    timelines: report.timelines.map((timeline) => ({
      timeline: timeline.timeline,
      parent: timeline.parent?.timeline ?? null,
      switchLsn: timeline.parent === undefined ? null : formatLsn(timeline.parent.switchLsn),
      historyMissing: timeline.historyMissing,
      live: timeline.live,
      segments: Number(timeline.segments),
      first: nameOf(report, timeline.timeline, timeline.first),
      last: nameOf(report, timeline.timeline, timeline.last),
      gaps: timeline.gaps.map((gap) => ({
        first: nameOf(report, gap.timeline, gap.first),
        last: nameOf(report, gap.timeline, gap.last),
        segments: Number(gap.last - gap.first + 1n),
        place: gap.place,
        insideWindow: gap.place === 'window',
      })),
    })),
    windows: report.windows.map(({ timeline, from, to, backups, damaged, minimalLsn }) => ({
      timeline,
      from: describeMoment(from),
      to: describeMoment(to),
      backups,
      damaged,
      minimalLsn: minimalLsn === undefined ? null : formatLsn(minimalLsn),
    })),
    brokenBackups: report.broken.map(({ name, timeline, live }) => ({ name, timeline, live })),
    damagedHistories: [...archive.damagedHistories.values()],
    partialSegments: archive.partials,
    strays: archive.strays,
  };
}

/** What `wal-verify` prints on a terminal. */
export function renderReport(report: WalReport): string {
  if (report.timelines.length === 0) return 'The archive holds no WAL.\n';
  const parts = [renderTimelines(report), renderWindows(report), renderFindings(report)];
  return parts.filter((part) => part !== '').join('\n');
}

function renderTimelines(report: WalReport): string {
  return renderTable(
    ['timeline', 'continues', 'segments', 'first', 'last', 'gaps'],
    report.timelines.map((timeline) => [
      `${timeline.timeline}${timeline.timeline === report.current ? ' (newest)' : ''}`,
      describeParent(timeline),
      String(timeline.segments),
      nameOf(report, timeline.timeline, timeline.first) ?? '-',
      nameOf(report, timeline.timeline, timeline.last) ?? '-',
      String(timeline.gaps.length),
    ]),
    ['left', 'left', 'right', 'left', 'left', 'right'],
  );
}

function renderWindows(report: WalReport): string {
  if (report.windows.length === 0)
    return 'No moment can be recovered: no backup has its WAL in the archive.\n';
  return renderTable(
    ['window on timeline', 'from', 'from LSN', 'to', 'to LSN', 'backups'],
    report.windows.map(({ timeline, from, to, backups }) => [
      String(timeline),
      formatMoment(from),
      formatLsn(from.lsn),
      formatMoment(to),
      formatLsn(to.lsn),
      String(backups.length),
    ]),
    ['left', 'left', 'left', 'left', 'left', 'right'],
  );
}

function renderFindings(report: WalReport): string {
  const lines: string[] = [];
  for (const { timeline, gaps, historyMissing } of report.timelines) {
    for (const gap of gaps) lines.push(`${describeGap(report, gap)}: ${PLACES[gap.place]}`);
    if (historyMissing) {
      lines.push(`timeline ${timeline} has no history file: recovery cannot go to it from an earlier one`);
    }
  }
  for (const { reason, timeline } of report.archive.damagedHistories.values()) {
    lines.push(`${reason}: recovery cannot go to timeline ${timeline}, nor past it`);
  }
  for (const name of new Set(report.windows.flatMap(({ damaged }) => damaged))) {
    lines.push(`${name} is damaged: recovery ends before it`);
  }
  const minimal = report.windows.flatMap(({ minimalLsn }) => minimalLsn ?? []);
  for (const lsn of new Set(minimal)) {
    lines.push(
      `${describeMinimal(lsn)}: recovery stops there with an error, and only a backup taken since leads on`,
    );
  }
  for (const { name, timeline } of report.broken) {
    const isUnknown = report.archive.damagedHistories.has(timeline);
    const why = isUnknown
      ? 'the history file of its timeline is damaged'
      : 'some of the WAL it needs is missing';
    lines.push(`${name} cannot be recovered: ${why}`);
  }
  if (report.archive.strays.length > 0) {
    lines.push(`not WAL, or empty: ${report.archive.strays.slice(0, 5).join(', ')}`);
  }
  lines.push(report.ok ? 'No gap inside the window.' : 'There are moments that cannot be recovered.');
  return lines.map((line) => `${escapeControls(line)}\n`).join('');
}

function describeGap(report: WalReport, gap: JudgedGap): string {
  const count = gap.last - gap.first + 1n;
  const first = nameOf(report, gap.timeline, gap.first);
  return count === 1n
    ? `missing ${first}`
    : `missing ${first} to ${nameOf(report, gap.timeline, gap.last)} (${count} segments)`;
}

function describeParent({ timeline, parent }: TimelineReport): string {
  if (parent === undefined) return timeline === 1 ? '-' : 'unknown';
  return `${parent.timeline} from ${formatLsn(parent.switchLsn)}`;
}

function formatMoment({ time }: Moment): string {
  return time === undefined ? 'no transaction since' : formatTimestamp(time);
}

function nameOf({ archive }: WalReport, timeline: number, number: bigint | undefined): string | null {
  return number === undefined ? null : formatSegmentName({ timeline, number }, archive.segmentSize);
}
