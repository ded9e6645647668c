import type { Facts, Schema, SettingKey } from './definition.ts';
import {
  bareOfWalg,
  needsPathStyle,
  pgConnectTimeout,
  waleEndpoint,
  waleEndpointStyle,
  walgCompression,
  walS3Bucket,
} from './foreign.ts';
import { ETCD } from './schema-etcd.ts';
import { REPLICA } from './schema-replica.ts';
import { SCHEDULE } from './schema-schedule.ts';
import {
  choice,
  endpoint,
  flag,
  integer,
  listenAddress,
  path,
  span,
  storeLocation,
  text,
  timeout,
  timeZone,
} from './value-types.ts';

/** Of a server that recovers, ms: giving up ends its recovery. */
const FETCH_TIMEOUT = 600_000;

/** Every setting, in the order people read them. */
export const SCHEMA: Schema = {
  store: {
    name: 'store',
    type: storeLocation,
    variables: ['WALG_S3_PREFIX', 'WALE_S3_PREFIX', 'WALG_FILE_PREFIX', 'WALE_FILE_PREFIX', walS3Bucket],
    main: true,
    description: 'where backups and WAL are kept',
  },
  spool: {
    name: 'spool',
    type: path,
    fallback: ({ defaultSpool }) => defaultSpool,
    fallbackText: '/var/spool/pgarc when it is writable, else $XDG_STATE_HOME/pgarc or ~/.local/state/pgarc',
    description: "local folder for WAL on its way and the copy of the archive's identity",
  },
  scope: {
    name: 'scope',
    type: text,
    variables: ['PATRONI_SCOPE'],
    description: "name of the cluster, as Patroni's scope",
  },
  pgdata: {
    name: 'pgdata',
    type: path,
    variables: ['PGDATA', 'PG_DATA_DIR'],
    main: true,
    description: "PostgreSQL's data directory",
  },
  compressionMethod: {
    name: 'compression-method',
    type: choice('lz4', 'zstd'),
    variables: [walgCompression],
    fallback: () => 'lz4',
    description: 'how new objects are compressed; all that WAL-G writes can be read, except lzma',
  },
  uploadConcurrency: {
    name: 'upload-concurrency',
    type: integer(1, 256),
    variables: ['WALG_UPLOAD_CONCURRENCY'],
    fallback: defaultConcurrency,
    fallbackText: 'twice the processors, from 4 to 16',
    description: 'requests in flight while storing',
  },
  downloadConcurrency: {
    name: 'download-concurrency',
    type: integer(1, 256),
    variables: ['WALG_DOWNLOAD_CONCURRENCY'],
    fallback: defaultConcurrency,
    fallbackText: 'twice the processors, from 4 to 16',
    description: 'requests in flight while restoring',
  },
  prefetchSegments: {
    name: 'prefetch-segments',
    type: integer(0, 256),
    fallback: () => 16,
    description: 'WAL segments the daemon fetches ahead of recovery, 512 MiB of them at most; 0 for none',
  },
  fetchTimeout: {
    name: 'fetch-timeout',
    type: timeout(0),
    fallback: () => FETCH_TIMEOUT,
    description: 'how long wal-fetch keeps asking a store that does not answer',
  },
  standbyFetchTimeout: {
    name: 'standby-fetch-timeout',
    type: timeout(0),
    fallback: (_, { fetchTimeout }) => (fetchTimeout === FETCH_TIMEOUT ? 3000 : fetchTimeout),
    fallbackText: 'fetch-timeout where that is set, else 3s',
    description: 'the same on a standby, which cannot stream while it waits for an answer',
  },
  requestTimeout: {
    name: 'request-timeout',
    type: timeout(1),
    fallback: () => 30_000,
    description: 'deadline of one request to the store',
  },
  storeTimeout: {
    name: 'store-timeout',
    type: timeout(0),
    fallback: () => 60_000,
    description: 'how long an operation on the store is retried as a whole',
  },
  archiveTimeout: {
    name: 'archive-timeout',
    type: timeout(0),
    fallback: () => 60_000,
    description:
      'how long check waits for a segment to arrive in the archive, and backup-push for WAL that comes no closer to it',
  },
  s3Endpoint: {
    name: 's3-endpoint',
    type: endpoint,
    variables: ['AWS_ENDPOINT', waleEndpoint, 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    fallbackText: "Amazon's endpoint of the region",
    description: 'URL of an S3-compatible service, without the bucket',
  },
  s3Region: {
    name: 's3-region',
    type: text,
    variables: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
    fallback: () => 'us-east-1',
    description: 'region of the bucket',
  },
  s3ForcePathStyle: {
    name: 's3-force-path-style',
    type: flag,
    variables: ['AWS_S3_FORCE_PATH_STYLE', waleEndpointStyle],
    fallback: (_, settings) => needsPathStyle(settings.s3Endpoint),
    fallbackText: 'true at an address, localhost or a name without a dot, else false',
    description: 'address the bucket as endpoint/bucket instead of bucket.endpoint',
  },
  s3CaFile: {
    name: 's3-ca-file',
    type: path,
    variables: [
      bareOfWalg('S3_CA_CERT_FILE'),
      'WALG_S3_CA_CERT_FILE',
      'WALE_S3_CA_CERT_FILE',
      'AWS_CA_BUNDLE',
    ],
    description: 'certificate authorities (PEM) to trust instead of the usual ones',
  },
  s3StorageClass: {
    name: 's3-storage-class',
    type: text,
    variables: [bareOfWalg('S3_STORAGE_CLASS'), 'WALG_S3_STORAGE_CLASS', 'WALE_S3_STORAGE_CLASS'],
    fallbackText: "the bucket's",
    description: 'storage class of new objects',
  },
  s3Sse: {
    name: 's3-sse',
    type: choice('AES256', 'aws:kms'),
    variables: [bareOfWalg('S3_SSE'), 'WALG_S3_SSE', 'WALE_S3_SSE'],
    fallbackText: "the bucket's",
    description: 'server-side encryption of new objects',
  },
  s3SseKmsKeyId: {
    name: 's3-sse-kms-key-id',
    type: text,
    variables: [bareOfWalg('S3_SSE_KMS_ID'), 'WALG_S3_SSE_KMS_ID', 'WALE_S3_SSE_KMS_ID'],
    description: 'key of server-side encryption with aws:kms',
  },
  awsAccessKeyId: {
    name: 'aws-access-key-id',
    type: text,
    variables: ['AWS_ACCESS_KEY_ID', 'AWS_ACCESS_KEY'],
    secret: true,
    fallbackText: "AWS's chain: profile, web identity, container and instance roles",
    description: 'access key of the store',
  },
  awsSecretAccessKey: {
    name: 'aws-secret-access-key',
    type: text,
    variables: ['AWS_SECRET_ACCESS_KEY', 'AWS_SECRET_KEY'],
    secret: true,
    fallbackText: 'as aws-access-key-id',
    description: 'secret key of the store',
  },
  awsSessionToken: {
    name: 'aws-session-token',
    type: text,
    variables: ['AWS_SESSION_TOKEN'],
    secret: true,
    description: 'token of temporary credentials',
  },
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
  keepFull: {
    name: 'keep-full',
    type: integer(0, 100_000),
    description: 'retention keeps so many of the newest full backups, with the deltas built on them',
  },
  keepWindow: {
    name: 'keep-window',
    type: span,
    description: 'retention keeps every moment of this time until now reachable',
  },
  keepDaily: {
    name: 'keep-daily',
    type: integer(0, 100_000),
    description: 'retention keeps the newest backup of each of so many days that have one',
  },
  keepWeekly: {
    name: 'keep-weekly',
    type: integer(0, 100_000),
    description: 'the same for ISO weeks, which begin on Monday',
  },
  keepMonthly: {
    name: 'keep-monthly',
    type: integer(0, 100_000),
    description: 'the same for months',
  },
  keepYearly: {
    name: 'keep-yearly',
    type: integer(0, 100_000),
    description: 'the same for years',
  },
  retentionTimeZone: {
    name: 'retention-time-zone',
    type: timeZone,
    fallback: () => 'UTC',
    description: 'where the days of keep-daily, and the weeks, months and years, begin',
  },
  ...SCHEDULE,
  ...REPLICA,
  httpListen: {
    name: 'http-listen',
    type: listenAddress,
    fallback: () => '127.0.0.1:9859',
    description: 'where the daemon answers HTTP requests for its health and metrics, or off',
  },
  logFormat: {
    name: 'log-format',
    type: choice('plain', 'json'),
    fallback: () => 'plain',
    main: true,
    description: 'log lines on stderr as text, or one JSON object a line',
  },
  logLevel: {
    name: 'log-level',
    type: choice('debug', 'info', 'warning', 'error'),
    fallback: () => 'info',
    description: 'least severity that is logged',
  },
  ...ETCD,
};

export const SETTING_KEYS = Object.keys(SCHEMA) as readonly SettingKey[];

function defaultConcurrency(facts: Facts): number {
  return Math.min(16, Math.max(4, 2 * facts.processors));
}
