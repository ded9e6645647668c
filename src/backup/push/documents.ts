import type { Lsn } from '../../postgres/lsn.ts';
import { DATE_FORMAT, type Metadata, type Sentinel, type Spec } from '../format/sentinel.ts';
import type { DamagedPage } from './pages.ts';
import type { StoredTar } from './upload.ts';
import type { LeftOut, Tablespace, WalkedEntry } from './walk.ts';

/** Everything the JSON objects of a full backup say. Sizes are bytes. */
export interface BackupFacts {
  startLsn: Lsn;
  finishLsn: Lsn;
  versionNumber: number;
  systemIdentifier: bigint;
  startTime: Date;
  finishTime: Date;
  hostname: string;
  dataDir: string;
  permanent: boolean;
  uncompressedSize: number;
  storedSize: number;
  catalogSize: number;
  tablespaces: readonly Tablespace[];
}

/** The sentinel in version 2 of WAL-G's form; `Spec` only where there are tablespaces. */
export function makeSentinel(facts: BackupFacts): Sentinel {
  return {
    LSN: facts.startLsn,
    PgVersion: facts.versionNumber,
    FinishLSN: facts.finishLsn,
    SystemIdentifier: facts.systemIdentifier,
    UncompressedSize: facts.uncompressedSize,
    CompressedSize: facts.storedSize,
    DataCatalogSize: facts.catalogSize,
    ...(facts.tablespaces.length > 0 ? { Spec: makeSpec(facts) } : {}),
    ChkpNum: null,
    Version: 2,
    StartTime: facts.startTime.toISOString(),
    FinishTime: facts.finishTime.toISOString(),
    DateFmt: DATE_FORMAT,
    Hostname: facts.hostname,
    DataDir: facts.dataDir,
    IsPermanent: facts.permanent,
  };
}

/** What metadata.json repeats of the sentinel, under names of its own. */
export function makeMetadata(facts: BackupFacts): Metadata {
  return {
    start_time: facts.startTime.toISOString(),
    finish_time: facts.finishTime.toISOString(),
    date_fmt: DATE_FORMAT,
    hostname: facts.hostname,
    data_dir: facts.dataDir,
    pg_version: facts.versionNumber,
    start_lsn: facts.startLsn,
    finish_lsn: facts.finishLsn,
    is_permanent: facts.permanent,
    system_identifier: facts.systemIdentifier,
    uncompressed_size: facts.uncompressedSize,
    compressed_size: facts.storedSize,
  };
}

function makeSpec(facts: BackupFacts): Spec {
  const spec: Spec = { base_prefix: facts.dataDir, tablespaces: facts.tablespaces.map(({ oid }) => oid) };
  for (const { oid, location } of facts.tablespaces) {
    spec[oid] = { loc: location, link: `pg_tblspc/${oid}` };
  }
  return spec;
}

/** pgarc's own note in a backup: what the other objects have no place for. */
export function makeNote(note: {
  version: string;
  pagesChecked: boolean;
  damaged: readonly DamagedPage[];
  leftOut: readonly LeftOut[];
}): Buffer {
  const { version, pagesChecked, damaged, leftOut } = note;
  const pageChecksums = { checked: pagesChecked, damaged };
  return Buffer.from(
    `${JSON.stringify({ format: 1, writer: `pgarc ${version}`, pageChecksums, leftOut })}\n`,
  );
}

const PIECE = 256 * 1024;

/** Writes files_metadata.json piece by piece: a cluster may have millions of files. */
export function* formatFilesMetadata(
  entries: Iterable<WalkedEntry>,
  tars: readonly StoredTar[],
): Generator<Buffer> {
  let text = '{"Files":{';
  let separator = '';
  for (const { name, modifiedNs } of entries) {
    text += `${separator}${JSON.stringify(name)}:{"IsIncremented":false,"IsSkipped":false,"MTime":"${formatTime(modifiedNs)}","UpdatesCount":0}`;
    separator = ',';
    if (text.length >= PIECE) {
      yield Buffer.from(text);
      text = '';
    }
  }
  text += '},"TarFileSets":{';
  separator = '';
  for (const { name, members } of tars) {
    text += `${separator}${JSON.stringify(name)}:[`;
    separator = ',';
    let comma = '';
    for (const member of members) {
      text += comma + JSON.stringify(member);
      comma = ',';
      if (text.length >= PIECE) {
        yield Buffer.from(text);
        text = '';
      }
    }
    text += ']';
  }
  yield Buffer.from(`${text}},"DatabasesByNames":{}}\n`);
}

const SECOND = 1_000_000_000n;

/** RFC 3339 with nanoseconds: an exact time tells another tool that a file has not changed. */
function formatTime(ns: bigint): string {
  const seconds = ns / SECOND;
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${date}.${String(ns % SECOND).padStart(9, '0')}Z`;
}
