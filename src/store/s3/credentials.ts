import type { S3ClientConfig } from '@aws-sdk/client-s3';
// The S3 client loads it in any case; what it is made of comes when it is asked.
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { Settings } from '../../config/settings.ts';
import { PgarcError } from '../../errors.ts';
import { isRefusal, S3Refusal } from './answer.ts';
import { toCredentialsFailure } from './credentials-failure.ts';
import type { Proxies } from './proxy.ts';
import { ProxyAgent } from './proxy-agent.ts';
import { findSecretFiles, type Secrets } from './secret-files.ts';

type Credentials = NonNullable<S3ClientConfig['credentials']>;
type Provider = Extract<Credentials, (...args: never[]) => unknown>;
type Identity = Awaited<ReturnType<Provider>>;

/** Connecting to a service that hands out credentials may take so long, ms. */
const CONNECT_MS = 5_000;

/** What credentials come from is asked anew this often at most, ms: a wrong key stays wrong, and a service has limits. */
const RENEWAL_INTERVAL_MS = 5_000;

/** How the services are reached that hand credentials out. */
export interface ChainNetwork {
  /** Certificates (PEM) that may have signed for them, beside the usual ones. */
  ca: Buffer | undefined;
  proxies: Proxies | undefined;
  /** ms */
  requestTimeout: number;
}

/** Credentials that may be exchanged under a running process, by an agent that writes files or by a service. */
export class CredentialSource {
  readonly #find: (isNew: boolean) => Promise<Identity>;
  #generation = 0;
  #renewal: Promise<boolean> | undefined;
  #renewed = Number.NEGATIVE_INFINITY;

  /** @param find gives the credentials, from where they come when they shall be new, else those it gave before */
  constructor(find: (isNew: boolean) => Promise<Identity>) {
    this.#find = find;
  }

  /** Changes when `renew` finds others. */
  get generation(): number {
    return this.#generation;
  }

  /** For the SDK, which then keeps nothing of them itself. */
  get provider(): Provider {
    return Object.assign(() => this.#find(false), { memoized: true });
  }

  /**
   * Looks for others than those of `generation`, which the store refused. Where there are none, or the last look was
   * a moment ago, what the store said is the answer.
   * @returns whether there are others
   */
  async renew(generation: number): Promise<boolean> {
    if (generation !== this.#generation) return true;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(): Promise<boolean> {
    if (performance.now() - this.#renewed < RENEWAL_INTERVAL_MS) return false;
    this.#renewed = performance.now();
    try {
      const old = await this.#find(false);
      if (areSame(old, await this.#find(true))) return false;
    } catch {
      return false;
    }
    this.#generation += 1;
    return true;
  }
}

function areSame(one: Identity, other: Identity): boolean {
  return (
    one.accessKeyId === other.accessKeyId &&
    one.secretAccessKey === other.secretAccessKey &&
    one.sessionToken === other.sessionToken
  );
}

/** Whether the store refused the credentials as such, in the words of S3, MinIO and Ceph. */
export function areRefused(error: unknown): boolean {
  // S3's answer to HEAD has no words; its status for a token that expired has nearly no other cause.
  if (error instanceof S3Refusal && error.isFromStore && error.status === 400 && error.code === undefined)
    return true;
  return isRefusal(
    error,
    'ExpiredToken',
    'TokenRefreshRequired',
    'InvalidToken',
    'InvalidTokenId',
    'InvalidAccessKeyId',
    'SignatureDoesNotMatch',
  );
}

/**
 * Static credentials when they are set, else AWS's default chain, which begins when it is first asked.
 * @param onSecrets told of secrets that are found later
 * @throws PgarcError `setting-invalid`
 */
export function credentialsOf(
  settings: Settings,
  network: ChainNetwork,
  onSecrets: (secrets: Secrets) => void = () => undefined,
): CredentialSource {
  const { awsAccessKeyId, awsSecretAccessKey } = settings;
  if (awsAccessKeyId === undefined && awsSecretAccessKey === undefined) return chain(network);
  let identity = identityOf(settings);
  const reread = findSecretFiles(settings);
  return new CredentialSource(async (isNew) => {
    if (!isNew || reread === undefined) return identity;
    const secrets = reread();
    onSecrets(secrets);
    identity = identityOf(secrets);
    return identity;
  });
}

function identityOf({ awsAccessKeyId, awsSecretAccessKey, awsSessionToken }: Secrets): Identity {
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

function chain(network: ChainNetwork): CredentialSource {
  let made: ReturnType<typeof makeChain> | undefined;
  return new CredentialSource(async (isNew) => {
    try {
      made ??= makeChain(network);
      const provider = await made;
      return await provider({ forceRefresh: isNew });
    } catch (error) {
      throw toCredentialsFailure(error);
    }
  });
}

/**
 * The clients inside of the chain (STS, SSO) would take the S3 client's way to the network, which lets nothing pass
 * that is not S3's. They get the SDK's own; it repeats nothing, src/store/retry.ts does. Files are read again
 * whenever the chain is asked, not remembered for the whole process.
 */
async function makeChain({ ca, proxies, requestTimeout }: ChainNetwork) {
  const trust = ca === undefined ? {} : { ca: await withUsualCertificates(ca) };
  const agent = proxies === undefined ? trust : new ProxyAgent({ ...trust, keepAlive: true }, proxies);
  const requestHandler = {
    connectionTimeout: Math.min(CONNECT_MS, requestTimeout),
    requestTimeout,
    throwOnRequestTimeout: true,
    httpsAgent: agent,
  };
  return defaultProvider({ clientConfig: { requestHandler, maxAttempts: 1 }, ignoreCache: true });
}

async function withUsualCertificates(ca: Buffer): Promise<string[]> {
  const { getCACertificates } = await import('node:tls');
  return [...getCACertificates('default'), ca.toString()];
}
