import type { Schema } from './definition.ts';
import { pgConnectTimeout } from './foreign.ts';
import { choice, integer, path, text, timeout } from './value-types.ts';

/** How the server is reached: libpq's settings by their own names. */
export const POSTGRES: Pick<
  Schema,
  | 'pgHost'
  | 'pgPort'
  | 'pgUser'
  | 'pgPassword'
  | 'pgDatabase'
  | 'pgSslmode'
  | 'pgSslrootcert'
  | 'pgSslcert'
  | 'pgSslkey'
  | 'pgPassfile'
  | 'pgConnectTimeout'
> = {
  pgHost: {
    name: 'pg-host',
    type: text,
    variables: ['PGHOST'],
    fallbackText: 'the socket of the server that runs in pgdata, else /var/run/postgresql, /tmp',
    description: "PostgreSQL's host or socket directory",
  },
  pgPort: {
    name: 'pg-port',
    type: integer(1, 65535),
    variables: ['PGPORT'],
    fallbackText: 'of the server that runs in pgdata, else 5432',
    description: "PostgreSQL's port",
  },
  pgUser: {
    name: 'pg-user',
    type: text,
    variables: ['PGUSER'],
    fallbackText: "the system user's name",
    description: 'PostgreSQL user; a superuser or one that may call pg_backup_start',
  },
  pgPassword: {
    name: 'pg-password',
    type: text,
    variables: ['PGPASSWORD'],
    secret: true,
    description: 'its password',
  },
  pgDatabase: {
    name: 'pg-database',
    type: text,
    variables: ['PGDATABASE'],
    fallbackText: 'postgres',
    description: 'database to connect to',
  },
  pgSslmode: {
    name: 'pg-sslmode',
    type: choice('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'),
    variables: ['PGSSLMODE'],
    fallbackText: 'prefer',
    description: "TLS to PostgreSQL, as libpq's sslmode",
  },
  pgSslrootcert: {
    name: 'pg-sslrootcert',
    type: path,
    variables: ['PGSSLROOTCERT'],
    description: "certificate authorities that may sign PostgreSQL's certificate",
  },
  pgSslcert: {
    name: 'pg-sslcert',
    type: path,
    variables: ['PGSSLCERT'],
    description: 'client certificate',
  },
  pgSslkey: {
    name: 'pg-sslkey',
    type: path,
    variables: ['PGSSLKEY'],
    description: 'key of the client certificate',
  },
  pgPassfile: {
    name: 'pg-passfile',
    type: path,
    variables: ['PGPASSFILE'],
    fallbackText: '~/.pgpass',
    description: 'file of passwords in the form of .pgpass',
  },
  pgConnectTimeout: {
    name: 'pg-connect-timeout',
    type: timeout(0),
    variables: [pgConnectTimeout],
    fallback: () => 10_000,
    description: 'how long to wait for a connection to PostgreSQL; 0 for ever',
  },
};
