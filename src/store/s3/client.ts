import { readFile } from 'node:fs/promises';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { Settings } from '../../config/settings.ts';
import { messageOf, PgarcError } from '../../errors.ts';
import type { Emit } from '../../report/events.ts';
import { areRefused, credentialsOf } from './credentials.ts';
import { readProxies } from './proxy.ts';
import type { Secrets } from './secret-files.ts';
import { stallLimit } from './session.ts';
import { Transport } from './transport.ts';

/** Middleware of the SDK that costs time or a round trip and does nothing for us. */
const UNWANTED = [
  // Expect: 100-continue costs a round trip a request.
  'addExpectContinueMiddleware',
  'getUserAgentMiddleware',
  'recursionDetectionMiddleware',
  'loggerMiddleware',
  'regionRedirectMiddleware',
  's3ExpressMiddleware',
];

/**
 * Makes the SDK's client as pgarc wants it: no retries of its own (src/store/retry.ts is the one layer), no
 * checksums computed in JavaScript, payloads unsigned (SHA-256 halves the speed of uploads; every upload
 * carries a CRC32 that is signed), objects' checksums asked for. Endpoint and region are those of the settings, whatever
 * the files of AWS say; only credentials come from there. What is refused with credentials that were exchanged meanwhile is
 * sent once more with the new ones.
 * @param secrets gets those that come later
 * @throws PgarcError `setting-invalid`
 */
export async function makeClient(settings: Settings, emit: Emit, secrets: string[] = []): Promise<S3Client> {
  const ca = settings.s3CaFile === undefined ? undefined : await readCa(settings.s3CaFile);
  const proxies = readProxies(process.env, (message) => emit({ type: 'warning', message }));
  const transport = new Transport({
    proxies,
    ...(ca === undefined ? {} : { ca }),
    requestTimeout: settings.requestTimeout,
    onRequest: (request) => emit({ type: 'storeRequest', ...request }),
  });
  const credentials = credentialsOf(
    settings,
    { ca, proxies, requestTimeout: stallLimit(settings) },
    (found) => {
      secrets.push(...secretsOf(found).filter((secret) => !secrets.includes(secret)));
    },
  );
  const client = new S3Client({
    region: settings.s3Region,
    // Else a profile of AWS chooses another store than the one that messages, markers and daemons speak of.
    ignoreConfiguredEndpointUrls: true,
    forcePathStyle: settings.s3ForcePathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: transport as unknown as NonNullable<S3ClientConfig['requestHandler']>,
    ...(settings.s3Endpoint === undefined ? {} : { endpoint: settings.s3Endpoint }),
    credentials: credentials.provider,
  });
  for (const name of UNWANTED) client.middlewareStack.remove(name);
  client.middlewareStack.add(
    (next, context) => (args) => {
      const request = args.request as { headers: Record<string, string> };
      request.headers['user-agent'] = 'pgarc';
      const command = context.commandName ?? '';
      if (command === 'PutObjectCommand' || command === 'UploadPartCommand') {
        request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      }
      // Asked for here and not by the command's own parameter, which makes the SDK check it chunk by chunk.
      const isRead = command === 'GetObjectCommand' || command === 'HeadObjectCommand';
      if (isRead) request.headers['x-amz-checksum-mode'] = 'ENABLED';
      return next(args);
    },
    { step: 'build', name: 'pgarcHeaders', priority: 'low' },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const { generation } = credentials;
      try {
        return await next(args);
      } catch (error) {
        if (!areRefused(error) || !(await credentials.renew(generation))) throw error;
        return next(args);
      }
    },
    { step: 'initialize', name: 'pgarcRenewal', priority: 'high' },
  );
  return client;
}

/** The values that no message may repeat. */
export function secretsOf({ awsSecretAccessKey, awsSessionToken }: Secrets): string[] {
  return [awsSecretAccessKey, awsSessionToken].flatMap((secret) => secret || []);
}

async function readCa(file: string): Promise<Buffer> {
  let pem: Buffer;
  try {
    pem = await readFile(file);
  } catch (error) {
    throw new PgarcError('setting-invalid', `s3-ca-file cannot be read: ${messageOf(error)}`, {
      cause: error,
      hint: 'See `pgarc config show` for where the setting comes from.',
    });
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new PgarcError('setting-invalid', `s3-ca-file ${file} holds no certificate in PEM form`);
}
