import { resolve } from 'node:path';
import { isPgarcError, PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { retry } from '../store/retry.ts';
import type { ObjectStore } from '../store/store.ts';
import { findCluster, readClusterControl } from './cluster.ts';
import { Delivery, type Expectation } from './delivery.ts';
import { classifyWalFile } from './file-name.ts';
import { knownIdentity } from './identity.ts';
import { openWalObject } from './read-object.ts';

export interface FetchDeps {
  /** Opened with a `storeTimeout` of `fetchTimeout`: the store itself asks again, here only what a store does not. */
  store: ObjectStore;
  /** Tried first, with one request: that of the compression in use. */
  usualExtension: string;
  /** How long a store that does not answer is asked again, ms. */
  fetchTimeout: number;
  spool: string;
  /** The setting; finds the cluster when pg_wal is a link elsewhere. */
  pgdata: string | undefined;
  emit: Emit;
}

export interface FetchOptions {
  /** PostgreSQL's %f. */
  name: string;
  /** PostgreSQL's %p. */
  destination: string;
  /** What a relative destination starts from, and where the cluster may be. */
  cwd: string;
}

export interface FetchResult {
  name: string;
  /** Bytes written. */
  bytes: number;
}

/**
 * Restores one WAL file to `destination`, whole and checked, or not at all (DESIGN §4). A hit costs one
 * request, a miss two. A damaged object is read once more before it is believed to be damaged.
 * @throws PgarcError `wal-not-found` only when the store answered that it has no such file; `object-damaged`,
 *   `store-unreachable`, `identity-mismatch`, `no-space`, `failed`
 */
export async function fetchWal(
  deps: FetchDeps,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  const begin = performance.now();
  const { name } = options;
  const destination = resolve(options.cwd, options.destination);
  const expectation = await expect(deps, options);
  const attempt = () => fetchOnce(deps, expectation, destination, signal);
  const bytes = await retry(
    { operation: `wal-fetch ${name}`, totalMs: deps.fetchTimeout, emit: deps.emit, signal },
    () =>
      attempt().catch((error) => {
        if (!isPgarcError(error, 'object-damaged')) throw error;
        deps.emit({ type: 'warning', message: `${error.message}; reading it once more` });
        return attempt();
      }),
  );
  deps.emit({ type: 'walFetched', name, bytes, durationMs: performance.now() - begin });
  return { name, bytes };
}

async function expect(deps: FetchDeps, { name, destination, cwd }: FetchOptions): Promise<Expectation> {
  const file = classifyWalFile(name);
  if (file === undefined) {
    throw new PgarcError('usage', `"${name}" is not the name of a WAL file`, {
      hint: 'restore_command must be pgarc wal-fetch %f %p.',
    });
  }
  const control = await readClusterControl(
    await findCluster(destination, { cwd, pgdata: deps.pgdata }),
    deps.emit,
  );
  return { file, systemIdentifier: control?.systemIdentifier, segmentSize: control?.segmentSize };
}

/** @returns bytes written */
async function fetchOnce(
  deps: FetchDeps,
  expectation: Expectation,
  destination: string,
  signal: AbortSignal,
): Promise<number> {
  const { store } = deps;
  const { name } = expectation.file;
  const object = await openWalObject(store, name, deps.usualExtension, signal);
  if (object === undefined) {
    throw new PgarcError('wal-not-found', `${name} is not in the archive ${store.location}`);
  }
  await using delivery = await Delivery.begin(expectation, object.key, destination);
  for await (const chunk of object.body) {
    signal.throwIfAborted();
    await delivery.write(chunk);
  }
  const systemIdentifier = delivery.check() ?? (await ownerOf(deps, expectation, signal));
  assertOwner(deps, expectation, systemIdentifier);
  signal.throwIfAborted();
  await delivery.complete();
  return delivery.size;
}

/** History files do not say whose they are; the archive does. Only asked when there is a cluster to compare. */
async function ownerOf(
  deps: FetchDeps,
  expectation: Expectation,
  signal: AbortSignal,
): Promise<bigint | undefined> {
  return expectation.systemIdentifier === undefined ? undefined : knownIdentity(deps, signal);
}

function assertOwner(deps: FetchDeps, expectation: Expectation, found: bigint | undefined): void {
  const { file, systemIdentifier } = expectation;
  if (systemIdentifier === undefined || found === undefined || found === systemIdentifier) return;
  throw new PgarcError(
    'identity-mismatch',
    `${file.name} in ${deps.store.location} is of the cluster with system identifier ${found}, and this one has ${systemIdentifier}`,
    { hint: 'Check that PGARC_STORE names the archive of this cluster.' },
  );
}
