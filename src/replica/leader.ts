import { setTimeout as sleep } from 'node:timers/promises';
import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import { connectPostgres, type PostgresSession, type PostgresSettings } from '../postgres/connection.ts';
import { findPassword } from '../postgres/passfile.ts';
import { requireLsn } from '../postgres/server.ts';
import { type HistoryEntry, parseHistory } from '../wal/history.ts';
import { type Conninfo, type Host, listHosts, parseConnstring } from './connstring.ts';
import type { Leader, LeaderFacts } from './facts.ts';

export interface AskOptions {
  /** As Patroni passes it; empty: there is no leader. */
  connstring: string;
  /** What the connection string leaves open. */
  settings: PostgresSettings;
  /** How often it is asked again. */
  retries: number;
}

/** As Patroni's wale_restore waits, ms. */
const RETRY_PAUSE = 1000;
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
/** For all queries of one connection, ms. */
const ANSWER_TIMEOUT = 10_000;

/**
 * Asks the server that Patroni would copy from where it is.
 * @throws PgarcError `usage` for a malformed connection string, `interrupted`
 */
export async function askLeader(options: AskOptions, signal: AbortSignal): Promise<Leader> {
  if (options.connstring.trim() === '') return { kind: 'none' };
  const info = parseConnstring(options.connstring);
  const hosts = listHosts(info);
  const problems = new Set<string>();
  for (let attempt = 0; attempt <= options.retries; attempt++) {
    if (attempt > 0) await sleep(RETRY_PAUSE, undefined, { signal });
    problems.clear();
    for (const host of hosts) {
      const settings = await settingsFor(info, host, options.settings);
      try {
        return { kind: 'reached', ...(await readFacts(settings, signal)) };
      } catch (error) {
        signal.throwIfAborted();
        if (isPgarcError(error, 'setting-invalid')) throw error;
        problems.add(messageOf(error));
      }
    }
  }
  return { kind: 'unreachable', problem: [...problems].join('; ') };
}

/**
 * The settings with what the connection string says. A password of the password file, which Patroni writes for
 * this very login, goes before one of the environment, which is pgarc's own.
 */
async function settingsFor(
  info: Conninfo,
  { host, port }: Host,
  own: PostgresSettings,
): Promise<PostgresSettings> {
  const sslmode = SSL_MODES.find((mode) => mode === info.sslmode);
  if (info.sslmode && sslmode === undefined) {
    throw new PgarcError('usage', `--connstring names no sslmode of libpq: ${info.sslmode.slice(0, 20)}`);
  }
  const settings: PostgresSettings = {
    ...own,
    pgHost: host ?? own.pgHost,
    pgPort: port ?? own.pgPort,
    pgUser: info.user ?? own.pgUser,
    pgDatabase: info.dbname ?? own.pgDatabase,
    pgPassfile: info.passfile ?? own.pgPassfile,
    pgSslmode: sslmode ?? own.pgSslmode,
    pgSslrootcert: info.sslrootcert ?? own.pgSslrootcert,
    pgSslcert: info.sslcert ?? own.pgSslcert,
    pgSslkey: info.sslkey ?? own.pgSslkey,
    pgConnectTimeout: connectTimeout(info, own),
  };
  const question = {
    // The password file may name the host where hostaddr says where it is.
    host: info.host?.includes(',') ? (host ?? 'localhost') : (info.host ?? settings.pgHost ?? 'localhost'),
    port: settings.pgPort ?? 5432,
    database: settings.pgDatabase ?? 'postgres',
    user: settings.pgUser ?? '',
  };
  const replication = { ...question, database: 'replication' };
  const found =
    (await findPassword(question, settings.pgPassfile)) ??
    (await findPassword(replication, settings.pgPassfile));
  return { ...settings, pgPassword: info.password ?? found ?? own.pgPassword };
}

/** libpq counts whole seconds, and 0 is for ever; nobody waits here for ever. */
function connectTimeout(info: Conninfo, own: PostgresSettings): number {
  const seconds = /^\d{1,6}$/.test(info.connect_timeout ?? '') ? Number(info.connect_timeout) : 0;
  return seconds > 0 ? seconds * 1000 : own.pgConnectTimeout || ANSWER_TIMEOUT;
}

/**
 * By the commands of replication, which Patroni's user may use and pg_basebackup would; a login that may not is
 * asked with SQL, which does not tell how its timeline came to be.
 */
async function readFacts(settings: PostgresSettings, signal: AbortSignal): Promise<LeaderFacts> {
  let refused: unknown;
  for (const replication of [true, false]) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(settings.pgConnectTimeout + ANSWER_TIMEOUT)]);
    let session: PostgresSession | undefined;
    try {
      session = await connectPostgres(settings, {
        replication,
        applicationName: 'pgarc replica-bootstrap',
        signal: limit,
      });
      return replication ? await identify(session, limit) : await query(session, limit);
    } catch (error) {
      signal.throwIfAborted();
      refused ??= error;
      if (isSilent(error)) break;
    } finally {
      await session?.close();
    }
  }
  throw refused;
}

/** Nobody is there: another way of asking does not help. */
function isSilent(error: unknown): boolean {
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  return (
    !isPgarcError(error) ||
    (isPgarcError(error, 'postgres-unreachable') && !/^[0-9A-Z]{5}$/.test(String(code)))
  );
}

/** IDENTIFY_SYSTEM: on a standby its position is the greatest of what it received and replayed (walsender.c). */
async function identify(session: PostgresSession, signal: AbortSignal): Promise<LeaderFacts> {
  const [row] = await session.query('IDENTIFY_SYSTEM', undefined, signal);
  const timeline = Number(row?.timeline);
  return {
    address: session.address,
    systemIdentifier: BigInt(String(row?.systemid)),
    timeline,
    lsn: requireLsn(row?.xlogpos),
    inRecovery: await isStandby(session, signal),
    history: timeline > 1 ? await readHistory(session, timeline, signal) : [],
  };
}

/** @returns undefined where PostgreSQL (before 14) has no such setting */
async function isStandby(session: PostgresSession, signal: AbortSignal): Promise<boolean | undefined> {
  try {
    const [row] = await session.query('SHOW in_hot_standby', undefined, signal);
    return row?.in_hot_standby === 'on';
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function readHistory(
  session: PostgresSession,
  timeline: number,
  signal: AbortSignal,
): Promise<HistoryEntry[] | undefined> {
  try {
    const [row] = await session.query(`TIMELINE_HISTORY ${timeline}`, undefined, signal);
    return parseHistory(String(row?.content ?? ''), timeline);
  } catch {
    signal.throwIfAborted();
    // The archive may have it.
    return undefined;
  }
}

/** On a standby its timeline is the one it has replayed to, or at least was checkpointed on. */
const QUESTION = `
  select s.system_identifier::text as system, pg_is_in_recovery() as recovering,
         case when pg_is_in_recovery()
           then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
           else pg_current_wal_lsn() end::text as lsn,
         case when pg_is_in_recovery()
           then to_hex(greatest(c.timeline_id, r.min_recovery_end_timeline))
           else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as timeline
  from pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r`;

async function query(session: PostgresSession, signal: AbortSignal): Promise<LeaderFacts> {
  const [row] = await session.query(QUESTION, undefined, signal);
  const timeline = Number.parseInt(String(row?.timeline), 16);
  return {
    address: session.address,
    systemIdentifier: BigInt.asUintN(64, BigInt(String(row?.system))),
    timeline,
    lsn: requireLsn(row?.lsn),
    inRecovery: row?.recovering === true,
    history: timeline === 1 ? [] : undefined,
  };
}
