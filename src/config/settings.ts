/**
 * Every setting, resolved. The name is the camelCase form of the setting's name (`fetch-timeout`); docs and
 * sources of each are in schema.ts. Durations are ms, sizes bytes. What has no value is undefined.
 */
export interface Settings {
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

  /** `host:port` where the daemon answers HTTP, or `off`. */
  httpListen: string;

  logFormat: 'plain' | 'json';
  logLevel: 'debug' | 'info' | 'warning' | 'error';

  /** `host:port` or URLs of the etcd that holds the cluster's state; empty when there is none. */
  etcdEndpoints: readonly string[];
}
