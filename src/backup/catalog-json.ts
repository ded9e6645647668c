import { formatLsn } from '../postgres/lsn.ts';
import type { Backup } from './catalog.ts';
import { walStart } from './catalog-segments.ts';

/**
 * A backup as `--json` prints it. Fields are only ever added. Sizes are bytes, times RFC 3339 in UTC, LSNs
 * `X/Y`; null is what is not known. The system identifier is text, because JavaScript rounds such numbers.
 */
export interface BackupDocument {
  name: string;
  kind: Backup['kind'];
  startTime: string | null;
  finishTime: string;
  durationMs: number | null;
  size: number | null;
  storedSize: number | null;
  clusterSize: number | null;
  walStart: string;
  startLsn: string;
  finishLsn: string | null;
  timeline: number;
  systemIdentifier: string | null;
  pgVersion: number | null;
  permanent: boolean;
  hostname: string | null;
  dataDirectory: string | null;
  parent: string | null;
  full: string | null;
  usable: boolean;
  warnings: readonly string[];
  userData: unknown;
}

/** Describes a backup for programs. */
export function toDocument(backup: Backup): BackupDocument {
  return {
    name: backup.name,
    kind: backup.kind,
    startTime: backup.startTime?.toISOString() ?? null,
    finishTime: backup.finishTime.toISOString(),
    durationMs: durationOf(backup) ?? null,
    size: backup.uncompressedSize ?? null,
    storedSize: backup.storedSize ?? null,
    clusterSize: backup.dataSize ?? null,
    walStart: walStart(backup).segment,
    startLsn: formatLsn(backup.startLsn),
    finishLsn: backup.finishLsn === undefined ? null : formatLsn(backup.finishLsn),
    timeline: backup.timeline,
    systemIdentifier: backup.systemIdentifier?.toString() ?? null,
    pgVersion: backup.pgVersion ?? null,
    permanent: backup.permanent,
    hostname: backup.hostname ?? null,
    dataDirectory: backup.dataDir ?? null,
    parent: backup.parent ?? null,
    full: backup.fullName ?? null,
    usable: backup.usable,
    warnings: backup.warnings,
    userData: backup.userData ?? null,
  };
}

/** How long the backup took, ms, where its start is recorded. */
export function durationOf(backup: Backup): number | undefined {
  return backup.startTime === undefined
    ? undefined
    : backup.finishTime.getTime() - backup.startTime.getTime();
}
