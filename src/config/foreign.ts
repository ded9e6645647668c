import { isIP } from 'node:net';

/** The variables a run sees, after `--envdir`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What reading a variable made for another tool may say beside its value. */
export interface Reading {
  environment: Environment;
  /** The scope, from whatever source. */
  scope: string | undefined;
  warn(message: string): void;
}

/** A variable that means a setting. One of another tool may be written differently: `read` translates. */
export interface Variable {
  readonly name: string;
  /** @returns the value as pgarc writes it; undefined when the variable says nothing about the setting */
  read?(value: string, reading: Reading): string | undefined;
}

/**
 * WAL-E's `scheme+convention://host:port` (WAL-E README, WALE_S3_ENDPOINT), whose convention is path,
 * virtualhost or subdomain, and may be absent.
 */
export const waleEndpoint: Variable = {
  name: 'WALE_S3_ENDPOINT',
  read: (value) => value.replace(/^(https?)\+[a-z]+:\/\//i, '$1://'),
};

/** The addressing convention of the same variable. */
export const waleEndpointStyle: Variable = {
  name: 'WALE_S3_ENDPOINT',
  read(value) {
    const convention = /^https?\+([a-z]+):\/\//i.exec(value)?.[1]?.toLowerCase();
    if (convention === undefined) return undefined;
    return convention === 'path' ? 'true' : 'false';
  },
};

/** Bucket and scope as a Patroni image knows them. */
export const walS3Bucket: Variable = {
  name: 'WAL_S3_BUCKET',
  read(value, { scope }) {
    return scope ? `s3://${value.replace(/^s3:\/\//, '')}/backups/${scope}/wal` : undefined;
  },
};

/** Whether the environment names a store of WAL-G. */
export function isForWalg(environment: Environment): boolean {
  return Boolean(environment.WALG_S3_PREFIX || environment.WALE_S3_PREFIX);
}

/**
 * A setting of WAL-G's storage in S3 under its bare name, which WAL-G reads before `WALG_…` and `WALE_…`. Elsewhere
 * such a name is likely another program's.
 */
export function bareOfWalg(name: string): Variable {
  return { name, read: (value, { environment }) => (isForWalg(environment) ? value : undefined) };
}

/** Methods of WAL-G, of any of its versions, that pgarc does not write, and whether it reads what they wrote. */
const UNWRITTEN = new Map([
  ['brotli', true],
  ['gzip', true],
  ['lzo', true],
  ['none', true],
  ['lzma', false],
]);

/** WAL-G's methods; those pgarc does not write fall back to its default: archiving must not stop for that. */
export const walgCompression: Variable = {
  name: 'WALG_COMPRESSION_METHOD',
  read(value, { warn }) {
    const method = value.toLowerCase();
    const isRead = UNWRITTEN.get(method);
    if (isRead === undefined) return method === 'zst' ? 'zstd' : value;
    const what = isRead ? 'read but not written' : 'neither written nor read';
    warn(`WALG_COMPRESSION_METHOD=${value} is ${what} by pgarc: new objects are lz4`);
    return 'lz4';
  },
};

/** libpq counts whole seconds; 0 and negative mean for ever. */
export const pgConnectTimeout: Variable = {
  name: 'PGCONNECT_TIMEOUT',
  read: (value) => (/^-?\d+$/.test(value) ? `${Math.max(0, Number(value))}s` : value),
};

/** Variables of libpq that would choose another server, and that pgarc does not read. */
const UNREAD = ['PGSERVICE', 'PGHOSTADDR'];

/** Tells of variables that mean something to libpq and nothing to pgarc. */
export function warnOfUnread(environment: Environment): string[] {
  return UNREAD.filter((name) => environment[name]).map(
    (name) => `${name} is not read by pgarc: name the server with PGHOST and PGPORT`,
  );
}

/**
 * Whether buckets can only be addressed by path at an endpoint: an address has no subdomains, and for
 * `localhost` or a name without a dot nobody has set up any. Elsewhere the bucket is a subdomain, as in
 * WAL-G and the AWS SDKs.
 */
export function needsPathStyle(endpoint: string | undefined): boolean {
  const host = endpoint === undefined ? undefined : URL.parse(endpoint)?.hostname;
  if (host === undefined) return false;
  return host.startsWith('[') || isIP(host) !== 0 || !host.includes('.');
}
