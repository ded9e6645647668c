import { basename, join, resolve } from 'node:path';
import { isPgarcError, PgarcError } from '../errors.ts';
import type { ControlFile } from '../postgres/control-file.ts';
import { formatLsn } from '../postgres/lsn.ts';
import type { Emit } from '../report/events.ts';
import { retry } from '../store/retry.ts';
import type { ObjectStore } from '../store/store.ts';
import { type Branch, describeBranch } from './branch.ts';
import type { SegmentHeader } from './check-segment.ts';
import { findWrongTimeline, isOfOlderTimeline } from './check-timeline.ts';
import { findCluster, readClusterControl } from './cluster.ts';
import { Delivery, type Expectation } from './delivery.ts';
import { classifyWalFile } from './file-name.ts';
import { assertMounted, knownIdentity, vanished } from './identity.ts';
import { WAL, walKey } from './keys.ts';
import { readNote } from './note.ts';
import { findWalKeys, openWalKey, openWalObject, type WalObject } from './read-object.ts';
import { ReplayRequest } from './replay-request.ts';
import { formatSegmentName, parseSegmentName } from './segment.ts';

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

/** Each chunk is written before the next one is asked for. */
const ONE_BY_ONE = { reuse: true } as const;

/** What came out of the archive. */
export interface Fetched {
  /** Bytes written. */
  bytes: number;
  /** Of the object, without the dot: the next one most likely has the same. */
  extension: string;
}

/**
 * Restores one WAL file to `destination`, whole and checked, or not at all (ARCHITECTURE.md, invariant 2). A
 * hit costs one request, a miss two, and a third on a host that has used the archive before. A damaged object
 * is read once more before it is believed to be damaged.
 * @throws PgarcError `wal-not-found` only when the store answered that it has no such file; `object-damaged`,
 *   `store-unreachable`, `identity-mismatch`, `no-space`, `failed`
 */
export async function fetchWal(
  deps: FetchDeps,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  const begin = performance.now();
  const { name, cwd } = options;
  const destination = resolve(cwd, options.destination);
  const cluster = await findCluster(options.destination, { cwd, pgdata: deps.pgdata });
  const whole = expectFile(name, await readClusterControl(cluster, deps.emit));
  const replay = cluster === undefined ? undefined : await beginReplay(deps, whole, cluster, destination);
  try {
    const expectation = replay ? { ...whole, branch: branchOf(replay, whole) } : whole;
    const { bytes } = await fetchPatiently({ ...deps, pgdata: cluster }, expectation, destination, signal);
    await replay?.granted();
    deps.emit({ type: 'walFetched', name, bytes, durationMs: performance.now() - begin });
    return { name, bytes };
  } catch (error) {
    await replay?.refused();
    throw error;
  }
}

/** What a file of this name must be in a cluster. @throws PgarcError `usage` when it is no WAL file's name */
export function expectFile(
  name: string,
  control: Pick<ControlFile, 'systemIdentifier' | 'segmentSize'> | undefined,
): Expectation {
  const file = classifyWalFile(name);
  if (file === undefined) {
    throw new PgarcError('usage', `"${name}" is not the name of a WAL file`, {
      hint: 'restore_command must be pgarc wal-fetch %f %p.',
    });
  }
  return { file, systemIdentifier: control?.systemIdentifier, segmentSize: control?.segmentSize };
}

/**
 * The request as one of the server's replay; undefined for one that is not. pg_rewind and others ask for a segment
 * under its own name, and want all of what its timeline wrote.
 */
export async function beginReplay(
  deps: Pick<FetchDeps, 'spool' | 'emit'>,
  { file, segmentSize }: Expectation,
  pgdata: string,
  destination: string,
): Promise<ReplayRequest | undefined> {
  if (basename(destination) === file.name || segmentSize === undefined) return undefined;
  return ReplayRequest.begin(deps, file, { pgdata, segmentSize });
}

/** Where recovery leaves the timeline of a segment. @throws PgarcError `wal-not-found` when that was before it */
function branchOf({ branch }: ReplayRequest, { file }: Expectation): Branch | undefined {
  if (branch?.ownBytes !== 0) return branch;
  throw new PgarcError(
    'wal-not-found',
    `${file.name} is not part of this server's history: ${describeBranch(branch, file.timeline)}`,
  );
}

/**
 * Fetches a file for somebody who waits for it: as fetchWal, to an absolute path.
 * @param deps with the cluster that it is for as pgdata
 */
export function fetchPatiently(
  deps: FetchDeps,
  expectation: Expectation,
  destination: string,
  signal: AbortSignal,
): Promise<Fetched> {
  const { name } = expectation.file;
  const { emit } = deps;
  const attempt = async () => {
    const object = await openWalObject(deps.store, name, deps.usualExtension, signal, ONE_BY_ONE);
    if (object === undefined) await assertArchiveRemains(deps, signal);
    return deliver(deps, expectation, object, destination, signal);
  };
  return retry({ operation: `wal-fetch ${name}`, totalMs: deps.fetchTimeout, emit, signal }, () =>
    attempt().catch((error) => {
      if (!isPgarcError(error, 'object-damaged')) throw error;
      emit({ type: 'warning', message: `${error.message}; reading it once more` });
      return attempt();
    }),
  );
}

/**
 * Fetches a file nobody has asked for yet: with one request, under the usual extension only, and not again
 * when that fails. Whoever asks finds out for himself.
 */
export async function fetchAhead(
  deps: FetchDeps,
  expectation: Expectation,
  destination: string,
  signal: AbortSignal,
): Promise<Fetched> {
  const key = walKey(expectation.file.name, deps.usualExtension);
  const object = await openWalKey(deps.store, key, signal, ONE_BY_ONE);
  return deliver(deps, expectation, object, destination, signal);
}

/**
 * A mount point whose disk is gone is an empty folder, and a bucket can be emptied: "no such object" is true
 * then, and ends archive recovery all the same. Where this host knows the archive, it must still hold WAL.
 */
async function assertArchiveRemains(deps: FetchDeps, signal: AbortSignal): Promise<void> {
  const { store, spool } = deps;
  const note = await readNote(spool, store.name);
  if (note.systemIdentifier === undefined) return;
  // None is tried again: a standby shall go on to streaming at once instead of waiting.
  await assertMounted(deps, signal, false);
  for await (const _ of store.list(WAL, { signal, limit: 1 })) return;
  throw vanished(deps, 'holds no WAL at all any more', false);
}

/** Checks an opened object on its way to its place. */
async function deliver(
  deps: FetchDeps,
  expectation: Expectation,
  object: WalObject | undefined,
  destination: string,
  signal: AbortSignal,
): Promise<Fetched> {
  if (object === undefined) {
    const { name } = expectation.file;
    throw new PgarcError('wal-not-found', `${name} is not in the archive ${deps.store.location}`);
  }
  await using delivery = await Delivery.begin(expectation, object.key, destination);
  for await (const chunk of object.body) {
    signal.throwIfAborted();
    await delivery.write(chunk);
  }
  const header = delivery.check();
  assertOwner(deps, expectation, header?.systemIdentifier ?? (await ownerOf(deps, expectation, signal)));
  const isOlder = header !== undefined && isOfOlderTimeline(expectation.file, header);
  if (isOlder) await assertTimeline(deps, expectation, { object, header, delivery }, signal);
  // A parent's last segment in place of its successor's would look like the end of WAL.
  if (isOlder || !object.hasChecksum()) {
    await assertRecords(deps.store, expectation, object.key, delivery, signal);
  }
  const { branch, file } = expectation;
  if (branch !== undefined) {
    await delivery.blank(branch.ownBytes);
    deps.emit({
      type: 'warning',
      message: `${file.name} was restored up to ${formatLsn(branch.switchLsn)} only: ${describeBranch(branch, file.timeline)}`,
    });
  }
  signal.throwIfAborted();
  await delivery.complete();
  return { bytes: delivery.size, extension: object.extension };
}

/** An older timeline's pages are right only where the history of the segment's own has them. */
async function assertTimeline(
  { store, pgdata, emit }: FetchDeps,
  { file }: Expectation,
  { object, header, delivery }: { object: WalObject; header: SegmentHeader; delivery: Delivery },
  signal: AbortSignal,
): Promise<void> {
  const walFolder = pgdata && join(pgdata, 'pg_wal');
  const read = (offset: number, length: number) => delivery.read(offset, length);
  const wrong = await findWrongTimeline({ store, walFolder, emit }, file, header, read, signal);
  if (wrong === undefined) return;
  throw new PgarcError('object-damaged', `the object ${object.key} is not the segment of its name: ${wrong}`);
}

/**
 * Where nothing else would show damage, the records' own CRCs do. They may end early in the last segment of a
 * timeline only, which someone copied here by hand, so the next one is asked for.
 */
async function assertRecords(
  store: ObjectStore,
  { file }: Expectation,
  key: string,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<void> {
  const end = await delivery.findEndOfRecords();
  const segment = end === undefined ? undefined : parseSegmentName(file.name, delivery.size);
  if (end === undefined || segment === undefined) return;
  const next = formatSegmentName({ ...segment, number: segment.number + 1n }, delivery.size);
  if ((await findWalKeys(store, next, signal)).length === 0) return;
  throw new PgarcError(
    'object-damaged',
    `the object ${key} is damaged: no valid record follows ${formatLsn(end)}, and the archive goes on with ${next}`,
  );
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
