import type { PostgresSession, Row } from '../postgres/connection.ts';
import type { PostgresFacts, Waiting } from './facts.ts';

/**
 * Reads what a server says of itself and its archiving. What this user may not see is undefined.
 * @throws PgarcError as PostgresSession.query
 */
export async function askPostgres(session: PostgresSession, signal: AbortSignal): Promise<PostgresFacts> {
  const [row] = await session.query(FACTS, [], signal);
  const inRecovery = row!.recovering === true;
  const settings = row!.settings as Record<string, string | null | undefined>;
  const [standby] = inRecovery ? await session.query(STANDBY, [], signal) : [];
  return {
    address: session.address,
    versionNumber: Number(settings.server_version_num),
    systemIdentifier: BigInt.asUintN(64, BigInt(row!.sysid as string)).toString(),
    inRecovery,
    // pg_control follows with the next restartpoint only; what streams is newer.
    timeline: Number(standby?.received ?? row!.timeline),
    segmentSize: Number(settings.wal_segment_size),
    archiveMode: settings.archive_mode ?? 'off',
    needsRestart: row!.needs_restart === true,
    callsPgarc: callsPgarc(settings),
    archiveLibrary: settings.archive_library ?? undefined,
    lastArchived: text(row, 'last_archived_wal'),
    lastArchivedTime: time(row, 'last_archived_time'),
    lastFailed: text(row, 'last_failed_wal'),
    lastFailedTime: time(row, 'last_failed_time'),
    lsn: text(inRecovery ? standby : row, 'lsn'),
    replayLagBytes: standby?.lag === undefined || standby.lag === null ? undefined : Number(standby.lag),
    replayedTime: time(standby, 'replayed'),
    isStreaming: inRecovery ? standby?.streaming === true : undefined,
    waiting: await readWaiting(session, signal),
  };
}

const FACTS = `
  select system_identifier::text as sysid, pg_is_in_recovery() as recovering,
         (select timeline_id from pg_control_checkpoint()) as timeline,
         (select pending_restart from pg_settings where name = 'archive_mode') as needs_restart,
         last_archived_wal, last_archived_time, last_failed_wal, last_failed_time,
         case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn() end::text as lsn,
         (select jsonb_object_agg(name, setting) from pg_settings where name in (
           'server_version_num', 'wal_segment_size', 'archive_mode', 'archive_command', 'archive_library'
         )) as settings
  from pg_control_system(), pg_stat_archiver`;

const STANDBY = `
  select pg_last_wal_replay_lsn()::text as lsn, pg_last_xact_replay_timestamp() as replayed,
         pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 as lag,
         (select received_tli from pg_stat_wal_receiver) as received,
         exists (select from pg_stat_wal_receiver) as streaming`;

/** For members of pg_monitor; the directory itself says the same to those on the host. */
const WAITING = `
  select count(*)::int as files, min(modification) as since
  from pg_ls_archive_statusdir() where name like '%.ready'`;

async function readWaiting(session: PostgresSession, signal: AbortSignal): Promise<Waiting | undefined> {
  try {
    const [row] = await session.query(WAITING, [], signal);
    return { files: Number(row?.files ?? 0), since: time(row, 'since') };
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** A script of theirs may call it all the same. */
function callsPgarc(settings: Record<string, string | null | undefined>): boolean | undefined {
  const { archive_command: command, archive_library: library } = settings;
  if (command === undefined || command === null) return undefined;
  return (library ?? '') === '' && /\bpgarc\b/.test(command);
}

function text(row: Row | undefined, key: string): string | undefined {
  const value = row?.[key];
  return typeof value === 'string' ? value : undefined;
}

function time(row: Row | undefined, key: string): Date | undefined {
  const value = row?.[key];
  return value instanceof Date ? value : undefined;
}
