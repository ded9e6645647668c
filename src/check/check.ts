import type { ClusterDeps } from '../cluster/lock.ts';
import { PgarcError } from '../errors.ts';
import type { PostgresSession } from '../postgres/connection.ts';
import { loadControlFile } from '../postgres/control-file.ts';
import { requireDataDirectory, requireSameCluster } from '../postgres/data-directory.ts';
import { readServerFacts, type ServerFacts } from '../postgres/server.ts';
import type { ObjectStore } from '../store/store.ts';
import { checkEtcd } from './etcd.ts';
import { type CheckName, describeFailure, type Finding } from './finding.ts';
import { checkIdentity } from './identity.ts';
import { checkArchiver, checkRoundTrip } from './round-trip.ts';
import { checkArchiveCommand, checkArchiveMode, checkVersion, checkWalLevel } from './server.ts';
import { checkSpool } from './spool.ts';
import { checkStore } from './store.ts';

export interface CheckDeps {
  openStore(): Promise<ObjectStore>;
  /** Undefined when there is no etcd to use. @throws PgarcError `setting-invalid` */
  openCluster(): ClusterDeps | undefined;
  connect(pgdata: string | undefined, signal: AbortSignal): Promise<PostgresSession>;
}

export interface CheckOptions {
  spool: string;
  pgdata: string | undefined;
  etcdEndpoints: readonly string[];
  /** How long to wait for a segment, ms. */
  archiveTimeout: number;
}

/**
 * Proves piece by piece that archiving works here, and tells each finding as soon as it is there. A piece
 * that others stand on and that is broken makes them `skipped`.
 */
export async function* check(
  deps: CheckDeps,
  options: CheckOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const attempt = (name: CheckName, run: () => Promise<Finding> | Finding) => tell(name, run, signal);
  yield await attempt('spool', () => checkSpool(options.spool));

  let store: ObjectStore | undefined;
  yield await attempt('store', async () => {
    const opened = await deps.openStore();
    const finding = await checkStore(opened, signal);
    store = opened;
    return finding;
  });

  yield await attempt('etcd', async () => {
    const cluster = deps.openCluster();
    try {
      return await checkEtcd(cluster, options.etcdEndpoints, signal);
    } finally {
      cluster?.etcd.close();
    }
  });

  let session: PostgresSession | undefined;
  try {
    let facts: ServerFacts | undefined;
    yield await attempt('postgres', async () => {
      session = await deps.connect(options.pgdata, signal);
      facts = await readServerFacts(session);
      return checkVersion(facts, session.address);
    });
    let systemIdentifier = facts?.systemIdentifier;
    yield await attempt('pgdata', async () => {
      const { finding, identifier } = await checkDataDirectory(options.pgdata, facts);
      systemIdentifier ??= identifier;
      return finding;
    });
    yield store === undefined
      ? skip('identity', 'the store is not usable')
      : await attempt('identity', () => checkIdentity(store!, systemIdentifier, signal));
    yield* checkArchiving({ store, session, facts }, options.archiveTimeout, attempt, signal);
  } finally {
    await session?.close();
  }
}

async function* checkArchiving(
  found: {
    store: ObjectStore | undefined;
    session: PostgresSession | undefined;
    facts: ServerFacts | undefined;
  },
  timeout: number,
  attempt: (name: CheckName, run: () => Promise<Finding> | Finding) => Promise<Finding>,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { store, session, facts } = found;
  if (session === undefined || facts === undefined) {
    for (const name of ['wal-level', 'archive-mode', 'archive-command', 'round-trip', 'archiver'] as const) {
      yield skip(name, 'the server is not reachable');
    }
    return;
  }
  yield checkWalLevel(facts);
  yield checkArchiveMode(facts);
  yield checkArchiveCommand(facts);
  yield store === undefined
    ? skip('round-trip', 'the store is not usable')
    : await attempt('round-trip', () => checkRoundTrip({ session, facts, store }, timeout, signal));
  yield await attempt('archiver', () => checkArchiver(session, facts));
}

/** The directory is this server's, and readable: a backup reads it. */
async function checkDataDirectory(
  given: string | undefined,
  facts: ServerFacts | undefined,
): Promise<{ finding: Finding; identifier?: bigint }> {
  const path = given ?? facts?.dataDirectory;
  if (path === undefined) return { finding: skip('pgdata', 'neither PGDATA nor the server names it') };
  const directory = await requireDataDirectory(path);
  const { control } = await loadControlFile(directory);
  if (facts !== undefined) await requireSameCluster(directory, control.systemIdentifier, facts);
  const message =
    facts === undefined ? `${directory} is readable` : `${directory} is this server's, and readable`;
  return { finding: { name: 'pgdata', status: 'ok', message }, identifier: control.systemIdentifier };
}

async function tell(
  name: CheckName,
  run: () => Promise<Finding> | Finding,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    if (signal.aborted) throw new PgarcError('interrupted', 'the check was interrupted');
    return await run();
  } catch (error) {
    return describeFailure(name, error, signal);
  }
}

function skip(name: CheckName, message: string): Finding {
  return { name, status: 'skipped', message };
}
