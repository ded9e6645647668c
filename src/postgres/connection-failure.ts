import { messageOf, PgarcError } from '../errors.ts';
import type { ServerAddress } from './address.ts';

/** Why there is no connection, and what helps. */
export function describeUnreachable(error: unknown, address: ServerAddress, user: string): PgarcError {
  // The driver's words for it are those of the protocol.
  const lacksPassword = /client password must be/.test(messageOf(error));
  const reason = lacksPassword ? 'the server asks for a password, and there is none' : reasonOf(error);
  return new PgarcError(
    'postgres-unreachable',
    `cannot connect to PostgreSQL at ${formatAddress(address)} as user "${user}": ${reason}`,
    {
      hint: lacksPassword
        ? 'Set PGPASSWORD or PGPASSWORD_FILE, or add a line to ~/.pgpass, which only its owner may be able to read.'
        : adviseOn(error, reason, user),
      ...(lacksPassword ? {} : { cause: error }),
      details: { host: address.host, port: address.port, user },
    },
  );
}

/** Codes of OpenSSL's checks of a certificate (X509_verify_cert_error_string) and of Node's check of its name. */
const CERTIFICATE = /^(ERR_TLS_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|HOSTNAME_MISMATCH)/;

/** What helps, by SQLSTATE (errcodes.txt) where the server has answered. */
function adviseOn(error: unknown, reason: string, user: string): string {
  const code = String((error as { code?: unknown }).code ?? '');
  if (code.startsWith('28')) {
    return `Allow user "${user}" to log in (pg_hba.conf, PGUSER, PGPASSWORD or ~/.pgpass).`;
  }
  if (code.startsWith('3D')) return 'Name an existing database with PGDATABASE.';
  if (code === '53300') {
    return 'Wait until connections end, or raise max_connections, or reserve some for this user (reserved_connections).';
  }
  if (code === '57P03') return 'It starts, stops or recovers: wait, and look into its log.';
  if (CERTIFICATE.test(code)) {
    return 'Name the authority of its certificate with PGSSLROOTCERT, and the server by a name that is in it.';
  }
  if (/does not support SSL/.test(reason)) {
    return 'Switch ssl on in the server, or allow a connection without TLS with PGSSLMODE=prefer.';
  }
  return 'Start the server, or say where it is with PGHOST and PGPORT.';
}

/** Why a connection has ended. */
export function describeLost(error: unknown, address: string): PgarcError {
  return new PgarcError(
    'postgres-unreachable',
    `connection to PostgreSQL at ${address} was lost: ${reasonOf(error)}`,
    {
      hint: 'Look into the server log for why it ended the session, then try again.',
      cause: error,
    },
  );
}

/** SQLSTATE insufficient_privilege. */
const NOT_ALLOWED = '42501';
const GRANT_HINT = 'Connect as a superuser (PGUSER), or grant the rights that docs/settings.md lists.';

/** The server's own error, or that the connection was lost with it. */
export function describeQueryError(error: unknown, address: string): PgarcError {
  const { code, hint = code === NOT_ALLOWED ? GRANT_HINT : undefined } = error as Record<string, unknown>;
  // Five characters: an SQLSTATE. Class 57P is the server going away.
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || code.startsWith('57P')) {
    return describeLost(error, address);
  }
  return new PgarcError('failed', `PostgreSQL answered: ${messageOf(error)}`, {
    cause: error,
    details: { sqlstate: code },
    ...(typeof hint === 'string' ? { hint } : {}),
  });
}

function reasonOf(error: unknown): string {
  // Several addresses of one name: Node throws an AggregateError without a message.
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((each) => messageOf(each)).join('; ');
  }
  // Node adds advice on an option of its own.
  return messageOf(error).replace(/; if the root CA is installed locally.*$/s, '') || 'no reason given';
}

/** `host:port`, or the path of the socket. */
export function formatAddress(address: ServerAddress): string {
  return address.host.startsWith('/')
    ? `${address.host}/.s.PGSQL.${address.port}`
    : `${address.host}:${address.port}`;
}
