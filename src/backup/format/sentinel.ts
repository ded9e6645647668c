/** Contents of the JSON objects of a backup, in WAL-G's spelling. Integers may be number or bigint (u64). */

export type Integer = number | bigint;

export interface TablespaceSpec {
  /** Where the tablespace lay, absolute. */
  loc: string;
  /** `pg_tblspc/<oid>` */
  link: string;
}

/** `tablespaces` lists the oids; each oid is a key of its own beside it. */
export interface Spec {
  base_prefix: string;
  tablespaces: string[];
  [oid: string]: TablespaceSpec | string | string[];
}

/** `<backup>_backup_stop_sentinel.json`, WAL-G's BackupSentinelDtoV2. Sizes are bytes, LSNs integers. */
export interface Sentinel {
  LSN: Integer | null;
  PgVersion: number;
  FinishLSN: Integer | null;
  SystemIdentifier: Integer | null;
  UncompressedSize: Integer;
  CompressedSize: Integer;
  DataCatalogSize?: Integer;
  Spec?: Spec | null;
  ChkpNum?: number | null;
  Version?: number;
  /** RFC 3339 with microseconds, UTC. */
  StartTime?: string;
  FinishTime?: string;
  DateFmt?: string;
  Hostname?: string;
  DataDir?: string;
  IsPermanent?: boolean;
  /** A delta backup's parent: its start LSN and name, the full backup below it, and how many deltas deep. */
  DeltaLSN?: Integer;
  DeltaFrom?: string;
  DeltaFullName?: string;
  DeltaCount?: number;
  UserData?: unknown;
}

/** WAL-E's sentinel. */
export interface WaleSentinel {
  wal_segment_backup_stop: string;
  wal_segment_offset_backup_stop: string;
  expanded_size_bytes: Integer;
  spec: Spec | null;
}

/** `<backup>/metadata.json`. Permanence lives here. */
export interface Metadata {
  start_time: string;
  finish_time: string;
  date_fmt: string;
  hostname: string;
  data_dir: string;
  pg_version: number;
  start_lsn: Integer;
  finish_lsn: Integer;
  is_permanent: boolean;
  system_identifier: Integer | null;
  uncompressed_size: Integer;
  compressed_size: Integer;
  is_incremental?: boolean;
  user_data?: unknown;
}

export interface FileDescription {
  IsIncremented: boolean;
  IsSkipped: boolean;
  /** RFC 3339 with nanoseconds. */
  MTime: string;
  UpdatesCount: number;
}

/** `<backup>/files_metadata.json`. Keys of Files are tar member names: `/base/5/1259`. */
export interface FilesMetadata {
  Files: Record<string, FileDescription>;
  /** Tar name (`part_001.tar.lz4`) → its members. */
  TarFileSets: Record<string, string[]>;
  DatabasesByNames: Record<string, unknown>;
}

export const DATE_FORMAT = '%Y-%m-%dT%H:%M:%S.%fZ';
