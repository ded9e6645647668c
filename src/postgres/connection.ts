import { userInfo } from 'node:os';
import type { Client, ClientConfig } from 'pg';
import type { Settings } from '../config/settings.ts';
import { messageOf, PgarcError } from '../errors.ts';
import { findServer, type ServerAddress } from './address.ts';
import {
  describeLost,
  describeQueryError,
  describeUnreachable,
  formatAddress,
} from './connection-failure.ts';
import { findPassword } from './passfile.ts';
import { chooseTls, type TlsChoice, type TlsSettings } from './tls.ts';

export type PostgresSettings = TlsSettings &
  Pick<
    Settings,
    'pgHost' | 'pgPort' | 'pgUser' | 'pgPassword' | 'pgDatabase' | 'pgPassfile' | 'pgConnectTimeout'
  >;

export interface ConnectOptions {
  /** Its postmaster.pid names the server when the settings do not. */
  pgdata?: string | undefined;
  /** Shown in pg_stat_activity. */
  applicationName?: string;
  /** Takes commands of replication instead of SQL; parameters of queries are not possible then. */
  replication?: boolean;
  signal?: AbortSignal | undefined;
}

export type Row = Readonly<Record<string, unknown>>;

/** One connection. Integers of 8 bytes, LSNs and numerics arrive as strings. */
export interface PostgresSession {
  /** `host:port` or the socket, for messages. */
  readonly address: string;
  /** Aborts, with a PgarcError as its reason, when the server or the network ends the connection. */
  readonly lost: AbortSignal;
  /**
   * Runs a query, one after the other. When the signal aborts, nobody waits for the answer any more; close()
   * then ends the connection, and with it the query.
   * @throws PgarcError `failed` for the server's own error, `postgres-unreachable` for a lost connection
   */
  query(text: string, values?: readonly unknown[], signal?: AbortSignal): Promise<Row[]>;
  /** Ends the connection. Never throws. */
  close(): Promise<void>;
}

const KEEP_ALIVE_DELAY = 30_000;
/** How long a polite goodbye may take before the socket is destroyed. */
const CLOSE_TIMEOUT = 2_000;

/**
 * Connects to the server of this machine, or where the settings say.
 * @throws PgarcError `postgres-unreachable` with host, port and user
 */
export async function connectPostgres(
  settings: PostgresSettings,
  options: ConnectOptions = {},
): Promise<PostgresSession> {
  const address = await findServer(settings, options.pgdata);
  const user = settings.pgUser ?? ownName();
  const tls = await chooseTls(settings, address.host);
  let failure: unknown;
  for (const choice of tls) {
    options.signal?.throwIfAborted();
    const config = describeConnection(settings, address, user, choice, options);
    try {
      return await openSession(config, formatAddress(address), options.signal);
    } catch (error) {
      failure = error;
      if (options.signal?.aborted || !mayTryOtherTls(error)) break;
    }
  }
  options.signal?.throwIfAborted();
  throw describeUnreachable(failure, address, user);
}

/** As libpq, the name of the account. @throws PgarcError `usage` for one without, as in a container */
function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new PgarcError(
      'usage',
      `user ${process.getuid?.() ?? ''} of this machine has no name to log in with`,
      {
        hint: 'Name the user of PostgreSQL with PGUSER.',
        cause,
      },
    );
  }
}

function describeConnection(
  settings: PostgresSettings,
  address: ServerAddress,
  user: string,
  tls: TlsChoice,
  options: ConnectOptions,
): ClientConfig {
  const database = settings.pgDatabase ?? 'postgres';
  return {
    host: address.host,
    port: address.port,
    user,
    database,
    password: async () =>
      settings.pgPassword ??
      (await findPassword({ ...address, database, user }, settings.pgPassfile)) ??
      // node-postgres would look into the environment, and fail in words of its own for undefined.
      '',
    ssl: tls,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY,
    connectionTimeoutMillis: settings.pgConnectTimeout,
    application_name: options.applicationName ?? 'pgarc',
    ...(options.replication ? { replication: 'true' } : {}),
  };
}

async function openSession(
  config: ClientConfig,
  address: string,
  signal: AbortSignal | undefined,
): Promise<PostgresSession> {
  const { default: pg } = await import('pg');
  const client = new pg.Client(config);
  const lost = new AbortController();
  let closing = false;
  let busy: Promise<void> = Promise.resolve();
  const lose = (error: unknown) => {
    if (closing || lost.signal.aborted) return;
    lost.abort(describeLost(error, address));
  };
  client.on('error', lose);
  client.on('end', () => lose(new Error('the server closed the connection')));
  const close = async () => {
    closing = true;
    const destroy = setTimeout(() => destroySocket(client), CLOSE_TIMEOUT);
    try {
      await client.end();
    } catch {
      // It is gone already.
    } finally {
      clearTimeout(destroy);
    }
  };
  const abandon = () => destroySocket(client);
  signal?.addEventListener('abort', abandon, { once: true });
  try {
    await client.connect();
  } catch (error) {
    destroySocket(client);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abandon);
  }
  return {
    address,
    lost: lost.signal,
    close,
    query(text, values, querySignal) {
      const turn = busy.then(async () => {
        querySignal?.throwIfAborted();
        if (lost.signal.aborted) throw lost.signal.reason;
        try {
          const result = await client.query<Row>(text, values === undefined ? undefined : [...values]);
          return result.rows;
        } catch (error) {
          throw describeQueryError(error, address);
        }
      });
      busy = turn.then(ignore, ignore);
      return querySignal === undefined ? turn : abandonOnAbort(turn, querySignal);
    },
  };
}

function ignore(): void {}

async function abandonOnAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  promise.catch(ignore);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** pg has no public way to give a connection up at once. */
function destroySocket(client: Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

function mayTryOtherTls(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  // 28000: pg_hba.conf has no line for a connection with, or without, TLS.
  return code === '28000' || /does not support SSL|SSL connection/.test(messageOf(error));
}
