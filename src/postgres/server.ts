import { PgarcError } from '../errors.ts';
import type { PostgresSession, Row } from './connection.ts';
import { type Lsn, parseLsn } from './lsn.ts';

/** What a running server says of itself. Sizes are bytes. */
export interface ServerFacts {
  /** server_version_num: 150020 is 15.20. */
  versionNumber: number;
  /** Unsigned, as in pg_control. */
  systemIdentifier: bigint;
  catalogVersion: number;
  /** Undefined when the user may not see it (pg_read_all_settings). */
  dataDirectory: string | undefined;
  port: number;
  startTime: Date;
  inRecovery: boolean;
  segmentSize: number;
  blockSize: number;
  /** Blocks of one file of a relation. */
  fileBlocks: number;
  dataChecksums: boolean;
  walLevel: string;
  archiveMode: string;
  /** `(disabled)` when archive_mode is off. */
  archiveCommand: string;
  archiveLibrary: string;
  /** Undefined when the user may not see it. */
  logDirectory?: string | undefined;
}

/** Reads the facts in one query. @throws PgarcError as PostgresSession.query */
export async function readServerFacts(session: PostgresSession): Promise<ServerFacts> {
  const [row] = await session.query(`
    select system_identifier::text as sysid, catalog_version_no as catversion, pg_is_in_recovery() as recovering,
           extract(epoch from pg_postmaster_start_time())::float8 as started,
           (select jsonb_object_agg(name, setting) from pg_settings where name in (
             'server_version_num', 'data_directory', 'port', 'wal_segment_size', 'block_size', 'segment_size',
             'data_checksums', 'wal_level', 'archive_mode', 'archive_command', 'archive_library',
             'log_directory'
           )) as settings
    from pg_control_system()`);
  const settings = row!.settings as Record<string, string | null | undefined>;
  return {
    versionNumber: Number(settings.server_version_num),
    systemIdentifier: BigInt.asUintN(64, BigInt(row!.sysid as string)),
    catalogVersion: Number(row!.catversion),
    dataDirectory: settings.data_directory ?? undefined,
    port: Number(settings.port),
    startTime: new Date(Number(row!.started) * 1000),
    inRecovery: row!.recovering === true,
    segmentSize: Number(settings.wal_segment_size),
    blockSize: Number(settings.block_size),
    fileBlocks: Number(settings.segment_size),
    dataChecksums: settings.data_checksums === 'on',
    walLevel: settings.wal_level ?? '',
    archiveMode: settings.archive_mode ?? '',
    archiveCommand: settings.archive_command ?? '',
    archiveLibrary: settings.archive_library ?? '',
    logDirectory: settings.log_directory ?? undefined,
  };
}

/** What pg_stat_archiver counts on this server. */
export interface ArchiverState {
  lastArchived: string | undefined;
  lastArchivedTime: Date | undefined;
  lastFailed: string | undefined;
  lastFailedTime: Date | undefined;
  failedCount: number;
}

/** Reads pg_stat_archiver. */
export async function readArchiverState(
  session: PostgresSession,
  signal?: AbortSignal,
): Promise<ArchiverState> {
  const query = `
    select last_archived_wal, last_archived_time, last_failed_wal, last_failed_time,
           failed_count::float8 as failed_count
    from pg_stat_archiver`;
  const [row] = await session.query(query, undefined, signal);
  return {
    lastArchived: optionalText(row, 'last_archived_wal'),
    lastArchivedTime: (row?.last_archived_time as Date | null) ?? undefined,
    lastFailed: optionalText(row, 'last_failed_wal'),
    lastFailedTime: (row?.last_failed_time as Date | null) ?? undefined,
    failedCount: Number(row?.failed_count ?? 0),
  };
}

/** Ends the current WAL segment of a primary, so that it can be archived. */
export async function switchWal(session: PostgresSession): Promise<void> {
  await session.query('select pg_switch_wal()');
}

/** How far this server's WAL goes: written on a primary, replayed on a standby. */
export async function readCurrentLsn(session: PostgresSession): Promise<Lsn> {
  const [row] = await session.query(`
    select case when pg_is_in_recovery()
      then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
      else pg_current_wal_insert_lsn() end::text as lsn`);
  return requireLsn(row?.lsn);
}

/** @throws PgarcError `failed` when the server's answer is no LSN */
export function requireLsn(value: unknown): Lsn {
  const lsn = parseLsn(String(value));
  if (lsn === undefined) throw new PgarcError('failed', `PostgreSQL answered "${String(value)}" for an LSN`);
  return lsn;
}

function optionalText(row: Row | undefined, key: string): string | undefined {
  const value = row?.[key];
  return typeof value === 'string' ? value : undefined;
}
