import type { Lsn } from '../../postgres/lsn.ts';
import { formatSegmentName, segmentAt } from '../../wal/segment.ts';

/** What a backup's name says. */
export type BackupName =
  | { kind: 'full'; segment: string }
  | { kind: 'delta'; segment: string; parentSegment: string }
  /** `offset` is bytes within the segment. */
  | { kind: 'wal-e'; segment: string; offset: number };

const PATTERN = /^base_([0-9A-F]{24})(?:_D_([0-9A-F]{24})|_([0-9]{8}))?$/;

/** Reads the name of a full, delta or WAL-E backup. @returns undefined when it is none */
export function parseBackupName(name: string): BackupName | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const segment = match[1]!;
  if (match[2] !== undefined) return { kind: 'delta', segment, parentSegment: match[2] };
  // WAL-E writes the offset in decimal.
  if (match[3] !== undefined) return { kind: 'wal-e', segment, offset: Number(match[3]) };
  return { kind: 'full', segment };
}

/** Writes the name of a backup. */
export function formatBackupName(name: BackupName): string {
  switch (name.kind) {
    case 'full':
      return `base_${name.segment}`;
    case 'delta':
      return `base_${name.segment}_D_${name.parentSegment}`;
    case 'wal-e':
      return `base_${name.segment}_${String(name.offset).padStart(8, '0')}`;
  }
}

/** Name of a full backup that starts at `startLsn`; `segmentSize` is bytes. */
export function nameFullBackup(timeline: number, startLsn: Lsn, segmentSize: number): string {
  const segment = formatSegmentName(segmentAt(timeline, startLsn, segmentSize), segmentSize);
  return formatBackupName({ kind: 'full', segment });
}
