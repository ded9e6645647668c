/**
 * Every setting, resolved. The name is the camelCase form of the setting's name (`fetch-timeout`); docs and
 * sources of each are in schema.ts. Durations are ms, sizes bytes. What has no value is undefined.
 */
export interface Settings extends JobSettings<'Backup'>, JobSettings<'Retain'>, JobSettings<'Verify'> {
  /** `s3://bucket/prefix` or `file:///dir`. */
  store: string | undefined;
  /** Local folder for WAL on its way, the copy of the archive's identity, and the daemon's socket. */
  spool: string;
  /** Name of the cluster, as Patroni's scope. */
  scope: string | undefined;
  pgdata: string | undefined;

  compressionMethod: 'lz4' | 'zstd';
  uploadConcurrency: number;
  downloadConcurrency: number;
  /** Segments the daemon fetches ahead of replay; 0 for none. */
  prefetchSegments: number;

  /** How long wal-fetch keeps asking a store that does not answer. */
  fetchTimeout: number;
  /** The same on a standby: it asks again by itself, and between two questions it streams. */
  standbyFetchTimeout: number;
  /** Deadline of one request. */
  requestTimeout: number;
  /** How long a store operation is retried as a whole. */
  storeTimeout: number;
  /** How long to wait for a segment to arrive in the archive. */
  archiveTimeout: number;

  /** URL with scheme, without bucket. */
  s3Endpoint: string | undefined;
  s3Region: string;
  s3ForcePathStyle: boolean;
  s3CaFile: string | undefined;
  s3StorageClass: string | undefined;
  s3Sse: 'AES256' | 'aws:kms' | undefined;
  s3SseKmsKeyId: string | undefined;

  /** Undefined: the AWS default chain (roles, web identity, profiles). */
  awsAccessKeyId: string | undefined;
  awsSecretAccessKey: string | undefined;
  awsSessionToken: string | undefined;

  /** Host name or socket directory, as libpq's PGHOST. */
  pgHost: string | undefined;
  pgPort: number | undefined;
  pgUser: string | undefined;
  pgPassword: string | undefined;
  pgDatabase: string | undefined;
  pgSslmode: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full' | undefined;
  pgSslrootcert: string | undefined;
  pgSslcert: string | undefined;
  pgSslkey: string | undefined;
  pgPassfile: string | undefined;
  pgConnectTimeout: number;

  /** Rules of retention; undefined and 0 are no rule. */
  keepFull: number | undefined;
  keepWindow: number | undefined;
  keepDaily: number | undefined;
  keepWeekly: number | undefined;
  keepMonthly: number | undefined;
  keepYearly: number | undefined;
  /** IANA name of the zone whose days, weeks, months and years the rules count. */
  retentionTimeZone: string;

  /** Which node of the scope the scheduled jobs prefer to run on. */
  backupFrom: 'primary' | 'replica' | 'any';
  /** Bytes of WAL a replica may be behind and still be asked for backups. */
  backupMaxLag: number;
  /** Receives a JSON document for each job that failed or is well again. */
  webhookUrl: string | undefined;

  /** A replica starts from the archive while less WAL than this was written since the backup, 2^20 bytes. */
  thresholdMegabytes: number;
  /** The same, in percent of the backup's uncompressed size. */
  thresholdPercentage: number;

  /** `host:port` where the daemon answers HTTP, or `off`. */
  httpListen: string;

  logFormat: 'plain' | 'json';
  logLevel: 'debug' | 'info' | 'warning' | 'error';

  /** This node in etcd: among the nodes of one scope no two have the same. */
  nodeName: string;
  /** `host:port` or URLs of the etcd that holds the cluster's state; empty when there is none. */
  etcdEndpoints: readonly string[];
  etcdUser: string | undefined;
  etcdPassword: string | undefined;
  etcdCaFile: string | undefined;
  etcdCertFile: string | undefined;
  etcdKeyFile: string | undefined;
  /** Begins all keys, as Patroni's `namespace`. */
  etcdNamespace: string;
  /** Deadline of one request to etcd. */
  etcdTimeout: number;
  /** A node that was not heard of for so long has lost its locks. */
  etcdLease: number;
}

/** The part of the schedule that belongs to one job. */
export type JobSettings<Job extends 'Backup' | 'Retain' | 'Verify'> = {
  /** Cron expression; undefined: the job runs only when it is asked for. */
  [Key in `schedule${Job}Cron`]: string | undefined;
} & {
  /** IANA name of the zone the cron expression speaks of. */
  [Key in `schedule${Job}TimeZone`]: string;
} & {
  /** A run starts so much later at most. */
  [Key in `schedule${Job}Jitter`]: number;
} & {
  /** Whether a run that was missed while no daemon ran is made up for, once. */
  [Key in `schedule${Job}CatchUp`]: boolean;
} & {
  /** A run that takes longer is reported; undefined: none is. */
  [Key in `schedule${Job}MaxDuration`]: number | undefined;
} & {
  /** Asked at start (`/start`), success and failure (`/fail`) of a run. */
  [Key in `schedule${Job}PingUrl`]: string | undefined;
};
