import type { S3ClientConfig } from '@aws-sdk/client-s3';
// The S3 client loads it in any case; what it is made of comes when it is asked.
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { Settings } from '../../config/settings.ts';
import { PgarcError } from '../../errors.ts';
import { toCredentialsFailure } from './credentials-failure.ts';

type Credentials = NonNullable<S3ClientConfig['credentials']>;
type Provider = Extract<Credentials, (...args: never[]) => unknown>;

/** Connecting to a service that hands out credentials may take so long, ms. */
const CONNECT_MS = 5_000;

/**
 * Static credentials when they are set, else AWS's default chain, which begins when it is first asked.
 * @param ca certificates (PEM) that may have signed for the chain's services, beside the usual ones
 * @param requestTimeout of the chain's requests, ms
 * @throws PgarcError `setting-invalid`
 */
export function credentialsOf(
  settings: Settings,
  ca: Buffer | undefined,
  requestTimeout: number,
): Credentials {
  const { awsAccessKeyId, awsSecretAccessKey, awsSessionToken } = settings;
  if (awsAccessKeyId === undefined && awsSecretAccessKey === undefined) return chain(ca, requestTimeout);
  if (awsAccessKeyId === undefined || awsSecretAccessKey === undefined) {
    const missing = awsAccessKeyId === undefined ? 'aws-access-key-id' : 'aws-secret-access-key';
    throw new PgarcError('setting-invalid', `${missing} is missing`, {
      hint: 'Set both the access key id and the secret access key, or neither.',
    });
  }
  return {
    accessKeyId: awsAccessKeyId,
    secretAccessKey: awsSecretAccessKey,
    ...(awsSessionToken === undefined ? {} : { sessionToken: awsSessionToken }),
  };
}

function chain(ca: Buffer | undefined, requestTimeout: number): Provider {
  let made: Promise<Provider> | undefined;
  return async (input) => {
    try {
      made ??= makeChain(ca, requestTimeout);
      const provider = await made;
      return await provider(input);
    } catch (error) {
      throw toCredentialsFailure(error);
    }
  };
}

/**
 * The clients inside of the chain (STS, SSO) would take the S3 client's way to the network, which lets nothing pass
 * that is not S3's. They get the SDK's own; it repeats nothing, src/store/retry.ts does.
 */
async function makeChain(ca: Buffer | undefined, requestTimeout: number): Promise<Provider> {
  const requestHandler = {
    connectionTimeout: Math.min(CONNECT_MS, requestTimeout),
    requestTimeout,
    throwOnRequestTimeout: true,
    ...(ca === undefined ? {} : { httpsAgent: { ca: await withUsualCertificates(ca) } }),
  };
  return defaultProvider({ clientConfig: { requestHandler, maxAttempts: 1 } });
}

async function withUsualCertificates(ca: Buffer): Promise<string[]> {
  const { getCACertificates } = await import('node:tls');
  return [...getCACertificates('default'), ca.toString()];
}
