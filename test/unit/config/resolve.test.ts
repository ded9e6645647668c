import { describe, expect, it } from 'vitest';
import { describeOrigin, resolveSettings, type Sources } from '../../../src/config/resolve.ts';
import { PgarcError } from '../../../src/errors.ts';

function resolve(sources: Partial<Sources>) {
  return resolveSettings({
    flags: {},
    environment: {},
    file: undefined,
    facts: { processors: 2, defaultSpool: '/spool', hostname: 'node-1' },
    readSecretFile: () => {
      throw new Error('no such file');
    },
    ...sources,
  });
}

function settingsOf(environment: Record<string, string>) {
  return resolve({ environment }).settings;
}

function failureOf(sources: Partial<Sources>): PgarcError {
  try {
    resolve(sources);
  } catch (error) {
    if (error instanceof PgarcError) return error;
  }
  throw new Error('resolved without an error');
}

it.each(['http://root:s3cret@etcd1:2379', 'root:s3cret@etcd1:2379,etcd2:2379'])(
  'refuses a password among addresses without showing it: %s',
  (written) => {
    const { message } = failureOf({ environment: { PGARC_ETCD_ENDPOINTS: written } });
    expect(message).toMatch(/^setting etcd-endpoints from environment PGARC_ETCD_ENDPOINTS: .*…@etcd/);
    expect(message).not.toContain('s3cret');
  },
);

describe('order of sources', () => {
  const file = { path: '/etc/p.yaml', values: { store: 'file:///file', scope: 'from-file' } };
  const environment = { PGARC_STORE: 'file:///environment', WALE_S3_PREFIX: 's3://bucket/wale' };

  it('is flag, environment, file, default', () => {
    const flag = resolve({ flags: { store: '/flag' }, environment, file });
    expect(flag.settings.store).toBe('file:///flag');
    expect(describeOrigin(flag.origins.store)).toBe('flag --store');

    const variable = resolve({ environment, file });
    expect(variable.settings.store).toBe('file:///environment');
    expect(describeOrigin(variable.origins.store)).toBe('environment PGARC_STORE');

    const fromFile = resolve({ file });
    expect(fromFile.settings.store).toBe('file:///file');
    expect(describeOrigin(fromFile.origins.store)).toBe('file /etc/p.yaml:store');

    const nothing = resolve({});
    expect(nothing.settings).toMatchObject({ store: undefined, spool: '/spool', fetchTimeout: 600_000 });
    expect(describeOrigin(nothing.origins.store)).toBe('default');
  });

  it('takes an empty variable as absent', () => {
    const { settings, origins } = resolve({ environment: { PGARC_STORE: '', WALE_S3_PREFIX: 's3://bkt/p' } });
    expect(settings.store).toBe('s3://bkt/p');
    expect(describeOrigin(origins.store)).toBe('environment WALE_S3_PREFIX');
  });
});

it('lets a standby wait as long as was asked for, and not long by default', () => {
  expect(settingsOf({}).standbyFetchTimeout).toBe(3000);
  expect(settingsOf({ PGARC_FETCH_TIMEOUT: '30s' }).standbyFetchTimeout).toBe(30_000);
  const both = { PGARC_FETCH_TIMEOUT: '30s', PGARC_STANDBY_FETCH_TIMEOUT: '1s' };
  expect(settingsOf(both).standbyFetchTimeout).toBe(1000);
});

describe('variables of other tools', () => {
  it('reads an environment made for WAL-G', () => {
    expect(
      settingsOf({
        WALG_S3_PREFIX: 's3://bucket/prefix/',
        AWS_ENDPOINT: 'http://minio:9000',
        AWS_S3_FORCE_PATH_STYLE: 'true',
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'key',
        AWS_SECRET_ACCESS_KEY: 'secret',
        WALG_COMPRESSION_METHOD: 'zstd',
        WALG_UPLOAD_CONCURRENCY: '8',
        WALG_DOWNLOAD_CONCURRENCY: '6',
        WALG_S3_CA_CERT_FILE: '/ca.pem',
        PGDATA: '/pg',
        PGHOST: '/run/postgresql',
        PGCONNECT_TIMEOUT: '5',
      }),
    ).toMatchObject({
      store: 's3://bucket/prefix',
      s3Endpoint: 'http://minio:9000',
      s3ForcePathStyle: true,
      s3Region: 'eu-central-1',
      awsAccessKeyId: 'key',
      awsSecretAccessKey: 'secret',
      compressionMethod: 'zstd',
      uploadConcurrency: 8,
      downloadConcurrency: 6,
      s3CaFile: '/ca.pem',
      pgdata: '/pg',
      pgHost: '/run/postgresql',
      pgConnectTimeout: 5000,
    });
  });

  it.each([
    ['brotli', 'brotli is read but not written'],
    ['gzip', 'gzip is read but not written'],
    ['none', 'none is read but not written'],
    ['LZMA', 'LZMA is neither written nor read'],
  ])('falls back to lz4, with a warning, for a method it does not write: %s', (method, warning) => {
    const { settings, warnings } = resolve({ environment: { WALG_COMPRESSION_METHOD: method } });
    expect(settings.compressionMethod).toBe('lz4');
    expect(warnings).toEqual([expect.stringContaining(warning)]);
  });

  it('takes its own methods as WAL-G spells them, and no word that is none', () => {
    expect(settingsOf({ WALG_COMPRESSION_METHOD: 'zst' }).compressionMethod).toBe('zstd');
    expect(settingsOf({ WALG_COMPRESSION_METHOD: 'LZ4' }).compressionMethod).toBe('lz4');
    expect(failureOf({ environment: { WALG_COMPRESSION_METHOD: 'lz5' } }).exitCode).toBe(2);
  });

  it('reads how objects are kept', () => {
    const kept = { s3StorageClass: 'STANDARD_IA', s3Sse: 'aws:kms', s3SseKmsKeyId: 'key' };
    for (const tool of ['WALG', 'WALE']) {
      const environment = {
        [`${tool}_S3_STORAGE_CLASS`]: 'STANDARD_IA',
        [`${tool}_S3_SSE`]: 'aws:kms',
        [`${tool}_S3_SSE_KMS_ID`]: 'key',
      };
      expect(settingsOf(environment)).toMatchObject(kept);
    }
  });

  it('reads the bare names of WAL-G where a store of WAL-G is named, before the others', () => {
    const environment = {
      S3_STORAGE_CLASS: 'STANDARD_IA',
      WALG_S3_STORAGE_CLASS: 'GLACIER',
      S3_SSE: 'aws:kms',
      S3_SSE_KMS_ID: 'key',
      S3_CA_CERT_FILE: '/ca.crt',
    };
    const kept = {
      s3StorageClass: 'STANDARD_IA',
      s3Sse: 'aws:kms',
      s3SseKmsKeyId: 'key',
      s3CaFile: '/ca.crt',
    };
    for (const name of ['WALG_S3_PREFIX', 'WALE_S3_PREFIX']) {
      expect(settingsOf({ ...environment, [name]: 's3://bkt/a' })).toMatchObject(kept);
      const error = failureOf({ environment: { S3_SSE_C: 'key-7Q2Z', [name]: 's3://bkt/a' } });
      expect(error.message).toContain('environment variable S3_SSE_C: pgarc does not encrypt');
    }
    const others = settingsOf({ ...environment, S3_SSE: 'on', S3_SSE_C: 'key', PGARC_STORE: 's3://bkt/a' });
    expect(others).toMatchObject({ s3StorageClass: 'GLACIER', s3Sse: undefined, s3SseKmsKeyId: undefined });
  });

  it.each([
    'WALG_LIBSODIUM_KEY',
    'WALG_LIBSODIUM_KEY_PATH',
    'WALG_PGP_KEY',
    'WALG_PGP_KEY_PATH',
    'WALG_GPG_KEY_ID',
    'WALE_GPG_KEY_ID',
    'WALG_CSE_KMS_ID',
    'WALG_S3_SSE_C',
    'YC_CSE_KMS_KEY_ID',
  ])('stores nothing readable where %s made another tool encrypt', (name) => {
    const error = failureOf({ environment: { [name]: 'key-7Q2Z' } });
    expect(error).toMatchObject({ exitCode: 2, hint: expect.stringMatching(/^Unset it, .*s3-sse/) });
    expect(error.message).toContain(`environment variable ${name}: pgarc does not encrypt`);
    expect(JSON.stringify({ ...error, text: error.message })).not.toContain('key-7Q2Z');
    const both = failureOf({ environment: { [name]: 'key-7Q2Z', WALG_ENVELOPE_PGP_KEY: 'key-7Q2Z' } });
    expect(both.hint).toBe(error.hint);
    expect(settingsOf({ [name]: '', WALG_LIBSODIUM_KEY_TRANSFORM: 'hex' }).compressionMethod).toBe('lz4');
  });

  it.each([
    ['https+path://s3.example.com:443', 'https://s3.example.com:443', true],
    ['http+virtualhost://s3.example.com', 'http://s3.example.com', false],
    ['https://s3.example.com', 'https://s3.example.com', false],
  ])('reads WALE_S3_ENDPOINT=%s', (written, s3Endpoint, s3ForcePathStyle) => {
    expect(settingsOf({ WALE_S3_ENDPOINT: written })).toMatchObject({ s3Endpoint, s3ForcePathStyle });
  });

  it('makes the prefix of bucket and scope', () => {
    expect(settingsOf({ WAL_S3_BUCKET: 'bucket', PATRONI_SCOPE: 'main' })).toMatchObject({
      store: 's3://bucket/backups/main/wal',
      scope: 'main',
    });
    expect(settingsOf({ WAL_S3_BUCKET: 'bucket' }).store).toBeUndefined();
    const named = { WAL_S3_BUCKET: 'bucket', PATRONI_SCOPE: 'main' };
    expect(resolve({ environment: named, flags: { scope: 'other' } }).settings.store).toBe(
      's3://bucket/backups/other/wal',
    );
    const file = { path: '/etc/p.yaml', values: { scope: 'written' } };
    expect(resolve({ environment: { WAL_S3_BUCKET: 'bucket' }, file }).settings.store).toBe(
      's3://bucket/backups/written/wal',
    );
  });

  it('reads file prefixes and PG_DATA_DIR', () => {
    expect(settingsOf({ WALG_FILE_PREFIX: '/srv/wal-g' }).store).toBe('file:///srv/wal-g');
    expect(settingsOf({ WALE_FILE_PREFIX: 'file://localhost/srv/wal-e' }).store).toBe('file:///srv/wal-e');
    expect(settingsOf({ PG_DATA_DIR: '/pg' }).pgdata).toBe('/pg');
    expect(settingsOf({ ETCD_HOST_PORT: 'etcd:2379' }).etcdEndpoints).toEqual(['etcd:2379']);
  });

  it.each([
    ['http://127.0.0.1:9000', true],
    ['http://[::1]:9000', true],
    ['http://localhost:9000', true],
    ['http://minio:9000', true],
    ['https://minio.example.com', false],
  ])('addresses buckets at %s by path: %s', (written, byPath) => {
    expect(settingsOf({ AWS_ENDPOINT: written }).s3ForcePathStyle).toBe(byPath);
  });
});

describe('secrets', () => {
  it('come from files and are told as such', () => {
    const { settings, origins, secrets } = resolve({
      environment: { AWS_SECRET_ACCESS_KEY_FILE: '/run/secrets/key', PGARC_PG_PASSWORD: 'direct' },
      readSecretFile: (path) => `content of ${path}`,
    });
    expect(settings.awsSecretAccessKey).toBe('content of /run/secrets/key');
    expect(describeOrigin(origins.awsSecretAccessKey)).toBe('environment AWS_SECRET_ACCESS_KEY_FILE');
    expect(secrets).toEqual(['content of /run/secrets/key', 'direct']);
  });

  it('name the variable when their file cannot be read', () => {
    const { message, exitCode } = failureOf({ environment: { PGPASSWORD_FILE: '/nowhere' } });
    expect(message).toContain('PGPASSWORD_FILE');
    expect(message).toContain('/nowhere');
    expect(exitCode).toBe(2);
  });
});

describe('wrong settings', () => {
  it('are a key of encryption without the encryption that uses it', () => {
    const key = { WALG_S3_SSE_KMS_ID: 'key' };
    const alone = failureOf({ environment: key });
    expect(alone).toMatchObject({
      code: 'setting-invalid',
      message:
        'setting s3-sse-kms-key-id from environment WALG_S3_SSE_KMS_ID: a key is only used where s3-sse is aws:kms, and that is not set',
      hint: 'Set s3-sse to aws:kms, or take the key away.',
    });
    const other = failureOf({ flags: { s3Sse: 'AES256' }, environment: key });
    expect(other.message).toMatch(/s3-sse is aws:kms, and that is AES256 from flag --s3-sse$/);
    expect(settingsOf({ ...key, WALG_S3_SSE: 'aws:kms' }).s3SseKmsKeyId).toBe('key');
    expect(settingsOf({ WALG_S3_SSE: 'aws:kms' }).s3SseKmsKeyId).toBeUndefined();
    expect(failureOf({ environment: { ...key, WALG_S3_SSE: 'on' } }).message).not.toContain('\n');
  });

  it('are told with name, source and what is allowed', () => {
    const error = failureOf({ environment: { PGARC_FETCH_TIMEOUT: 'soon' } });
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(/fetch-timeout from environment PGARC_FETCH_TIMEOUT: "soon".*10min/);
    expect(failureOf({ flags: { store: '' } }).message).toContain('flag --store: an empty value');
    expect(failureOf({ file: { path: '/p.yaml', values: { 'pg-port': 'x' } } }).message).toContain(
      'file /p.yaml:pg-port',
    );
  });

  it('tells of a store with its source and what is allowed, and repeats no key', () => {
    expect(failureOf({ environment: { WALE_S3_PREFIX: 's3://bk/p' } }).message).toMatch(
      /^setting store from environment WALE_S3_PREFIX: "s3:\/\/bk\/p" is not s3:\/\/BUCKET\/PREFIX .*3 to 255 .* or file:\/\/\/DIRECTORY$/,
    );
    expect(failureOf({ flags: { store: 's3://bucket/a/../b' } }).message).toContain('flag --store');
    const pasted = failureOf({ environment: { PGARC_STORE: 's3://id:a/secret@bucket/p' } });
    expect(pasted.message).toContain('"s3://…@bucket/p"');
  });

  it('are told all at once', () => {
    const { message } = failureOf({ environment: { PGARC_PG_PORT: 'x', PGARC_LOG_FORMAT: 'y' } });
    expect(message.split('\n')).toHaveLength(2);
  });

  it('are compared with known names', () => {
    const variable = failureOf({ environment: { PGARC_FECH_TIMEOUT: '3s' } });
    expect(variable.message).toBe('unknown environment variable PGARC_FECH_TIMEOUT');
    expect(variable.hint).toBe('Did you mean PGARC_FETCH_TIMEOUT?');
    const key = failureOf({ file: { path: '/p.yaml', values: { fetch_timeout: '3s' } } });
    expect(key.message).toBe('unknown setting fetch_timeout in file /p.yaml');
    expect(key.hint).toBe('Did you mean fetch-timeout?');
    const nested = failureOf({ file: { path: '/p.yaml', values: { store: { bucket: 'b' } } } });
    expect(nested.message).toMatch(/^setting .* one value is allowed, not a map$/);
  });

  it('warns of a secret on the command line', () => {
    const { warnings } = resolve({ flags: { pgPassword: 'secret-7Q2Z' } });
    expect(warnings).toEqual([expect.stringContaining('--pg-password')]);
    expect(warnings.join()).not.toContain('secret-7Q2Z');
  });

  it('does not pass over in silence what would choose another server for libpq', () => {
    const { warnings } = resolve({ environment: { PGSERVICE: 'main', PGHOSTADDR: '', PGHOST: 'h' } });
    expect(warnings).toEqual([expect.stringContaining('PGSERVICE is not read')]);
  });

  it('are not what launchers and Kubernetes export', () => {
    settingsOf({
      PGARC_NODE: '/usr/bin/node',
      PGARC_CONFIG: '/p.yaml',
      PGARC_MINIO_SERVICE_HOST: '10.0.0.1',
      PGARC_MINIO_PORT: 'tcp://10.0.0.1:9000',
      PGARC_MINIO_PORT_9000_TCP_ADDR: '10.0.0.1',
      PGARC_UNKNOWN_BUT_EMPTY: '',
    });
  });
});
