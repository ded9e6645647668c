import type { Facts, Schema, SettingKey } from './definition.ts';
import { walgCompression, walS3Bucket } from './foreign.ts';
import { ETCD } from './schema-etcd.ts';
import { POSTGRES } from './schema-postgres.ts';
import { REPLICA } from './schema-replica.ts';
import { S3 } from './schema-s3.ts';
import { SCHEDULE } from './schema-schedule.ts';
import {
  choice,
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
  ...S3,
  ...POSTGRES,
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
