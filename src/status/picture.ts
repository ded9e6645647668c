import { type Backup, latestBackup } from '../backup/catalog.ts';
import { formatVersion } from '../postgres/version.ts';
import type { ArchiveScan } from './archive-scan.ts';
import type { Answer, StatusFacts, Waiting } from './facts.ts';

/** Where something was learnt that the best source could not say. */
export interface Told<T> {
  value: T;
  /** Undefined: from the source itself, just now. */
  from?: 'etcd' | 'daemon' | 'files';
  /** When that source learnt it. */
  at?: Date;
}

/** The facts put together: of each thing what the best source says that answered. */
export interface Picture {
  role: 'primary' | 'standby' | undefined;
  systemIdentifier: string | undefined;
  /** `15.20`, or `15` where only the files tell. */
  version: string | undefined;
  timeline: number | undefined;
  /** Undefined when nobody could say. */
  backups: Told<readonly Backup[]> | undefined;
  newest: Backup | undefined;
  scan: Told<ArchiveScan> | undefined;
  waiting: Told<Waiting> | undefined;
}

/** Puts the facts together. Pure. */
export function pictureOf(facts: StatusFacts): Picture {
  const postgres = answered(facts.postgres);
  const files = answered(facts.files);
  const backups = backupsOf(facts);
  const newest = backups && latestBackup(backups.value);
  return {
    role: roleOf(facts),
    systemIdentifier:
      postgres?.systemIdentifier ?? files?.systemIdentifier ?? newest?.systemIdentifier?.toString(),
    version: postgres === undefined ? files?.version : formatVersion(postgres.versionNumber),
    timeline: postgres?.timeline ?? files?.timeline,
    backups,
    newest,
    scan: scanOf(facts),
    waiting: waitingOf(facts),
  };
}

/** What a source said, where it did. */
export function answered<T>(answer: Answer<T>): T | undefined {
  return answer.state === 'ok' ? answer.value : undefined;
}

function roleOf(facts: StatusFacts): Picture['role'] {
  const postgres = answered(facts.postgres);
  if (postgres !== undefined) return postgres.inRecovery ? 'standby' : 'primary';
  const files = answered(facts.files);
  if (files === undefined) return undefined;
  return files.isStandby || files.state === 'in archive recovery' ? 'standby' : 'primary';
}

function backupsOf({ backups, etcd }: StatusFacts): Picture['backups'] {
  if (backups.state === 'ok') return { value: backups.value };
  const kept = answered(etcd)?.backups;
  return kept && { value: kept.list, from: 'etcd', at: kept.readAt };
}

function scanOf({ scan, keptScan }: StatusFacts): Picture['scan'] {
  if (scan.state === 'ok') return { value: scan.value };
  return keptScan && { value: keptScan, from: 'daemon', at: new Date(keptScan.at) };
}

/** The directory says it even when the server is down or hides it. */
function waitingOf({ postgres, files }: StatusFacts): Picture['waiting'] {
  const said = answered(postgres)?.waiting;
  if (said !== undefined) return { value: said };
  const found = answered(files)?.waiting;
  return found && { value: found, from: 'files' };
}
