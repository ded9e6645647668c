import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { S3Client } from '@aws-sdk/client-s3';
import { atEnd } from './cleanup.ts';
import { freePort } from './ports.ts';
import { cleanEnvironment } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged, giveAway } from './unprivileged.ts';
import { waitFor } from './wait.ts';

export interface MinioOptions {
  /** Serve HTTPS with a certificate of a CA made for it. Default false. */
  tls?: boolean;
  /** Where it keeps its objects; default a temporary folder. */
  folder?: string | undefined;
}

export interface TestMinio {
  /** `http://127.0.0.1:port`, or https. */
  readonly endpoint: string;
  /** A bucket that exists. */
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** PEM file of the CA, with `tls`. */
  readonly caFile: string | undefined;
  /** Settings of pgarc for a prefix in the bucket; `endpoint` is another one, a proxy's. */
  env(prefix: string, endpoint?: string): Record<string, string>;
  /** A client of the test's own, to look and to meddle. */
  readonly client: S3Client;
  /** Keys that start with `prefix`, in order. */
  keys(prefix?: string): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  write(key: string, body: Uint8Array | string): Promise<void>;
  remove(key: string): Promise<void>;
  makeBucket(name: string): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>;
}

// Words that occur nowhere else: pgarc hides them wherever it prints.
const CREDENTIALS = { accessKeyId: 'TESTKEY7Q2Z', secretAccessKey: 'not-really-a-secret-7Q2Z' };

/** Starts MinIO on a free port with an empty folder; stopped and removed when the test file ends. */
export async function startMinio(options: MinioOptions = {}): Promise<TestMinio> {
  const binary = findMinio();
  const folder = await makeTemporaryFolder('minio');
  const port = await freePort();
  const caFile = options.tls ? await makeCertificates(join(folder, 'certs')) : undefined;
  const endpoint = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const bucket = 'backups';
  const s3 = await import('@aws-sdk/client-s3');
  const client = await makeClient(endpoint, caFile);
  let child: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await exited;
  }

  const minio: TestMinio = {
    endpoint,
    bucket,
    accessKey: CREDENTIALS.accessKeyId,
    secretKey: CREDENTIALS.secretAccessKey,
    caFile,
    client,
    env: (prefix, other = endpoint) => ({
      PGARC_STORE: `s3://${bucket}/${prefix}`,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT: other,
      AWS_S3_FORCE_PATH_STYLE: 'true',
      ...(caFile === undefined ? {} : { PGARC_S3_CA_FILE: caFile }),
    }),

    async keys(prefix = '') {
      const keys: string[] = [];
      const pages = s3.paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix });
      for await (const page of pages) for (const object of page.Contents ?? []) keys.push(object.Key!);
      return keys;
    },
    async read(key) {
      const answer = await client.send(new s3.GetObjectCommand({ Bucket: bucket, Key: key }));
      return Buffer.from(await answer.Body!.transformToByteArray());
    },
    async write(key, body) {
      await client.send(new s3.PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    },
    async remove(key) {
      await client.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
    async makeBucket(name) {
      await client.send(new s3.CreateBucketCommand({ Bucket: name }));
    },

    async start() {
      const args = ['server', '--quiet', '--address', `127.0.0.1:${port}`];
      if (caFile !== undefined) args.push('--certs-dir', join(folder, 'certs'));
      const [file, argv] = asUnprivileged(binary, [...args, options.folder ?? join(folder, 'data')]);
      const started = spawn(file, argv, {
        cwd: folder,
        env: cleanEnvironment({
          HOME: folder,
          MINIO_ROOT_USER: CREDENTIALS.accessKeyId,
          MINIO_ROOT_PASSWORD: CREDENTIALS.secretAccessKey,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
        }),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (text) => {
          output = `${output}${text}`.slice(-10_000);
        });
      }
      child = started;
      await waitFor(
        async () =>
          started.exitCode !== null || (await client.send(new s3.ListBucketsCommand({}))) !== undefined,
        { what: 'MinIO to answer' },
      );
      if (started.exitCode !== null) throw new Error(`MinIO ended at start: ${output}`);
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };

  atEnd(async () => {
    client.destroy();
    await minio.kill();
  });
  await minio.start();
  await minio.makeBucket(bucket);
  return minio;
}

/** MinIO's program: PGARC_TEST_MINIO, the cache that scripts/install-minio fills, or the PATH. */
function findMinio(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const named = process.env.PGARC_TEST_MINIO;
  if (named) return named;
  const candidates = [join(cache, 'pgarc/bin'), ...(process.env.PATH ?? '').split(':')].map((folder) =>
    join(folder, 'minio'),
  );
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) throw new Error('no MinIO here: run scripts/install-minio');
  return found;
}

async function makeClient(endpoint: string, caFile: string | undefined): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { readFile } = await import('node:fs/promises');
  const tls = caFile === undefined ? {} : { requestHandler: { httpsAgent: { ca: await readFile(caFile) } } };
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    maxAttempts: 1,
    // The SDK sends a request that expects "100 continue" through an agent that does not know our CA.
    expectContinueHeader: false,
    ...tls,
  });
}

/** Makes a CA and a certificate of it for 127.0.0.1, localhost and store.example, as MinIO expects them. @returns the CA's file */
async function makeCertificates(folder: string): Promise<string> {
  const openssl = (args: string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  await mkdir(folder, { recursive: true });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await openssl([
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=pgarc test CA',
  ]);
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:store.example'];
  await openssl([
    ...['req', '-x509', ...key, '-keyout', 'private.key', '-out', 'public.crt', '-subj', '/CN=localhost'],
    ...['-CA', 'ca.pem', '-CAkey', 'ca.key', ...names],
  ]);
  for (const name of ['private.key', 'public.crt', 'ca.pem']) {
    await chmod(join(folder, name), 0o644);
    giveAway(join(folder, name));
  }
  // MinIO reads every *.crt it finds in CAs/; ours is outside of it and only the clients' business.
  return join(folder, 'ca.pem');
}
