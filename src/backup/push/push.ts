import type { Encoder } from '../../codec/codec.ts';
import { messageOf, PgarcError } from '../../errors.ts';
import { lockBackups } from '../../postgres/backup-session.ts';
import type { PostgresSession } from '../../postgres/connection.ts';
import { loadControlFile } from '../../postgres/control-file.ts';
import { requireDataDirectory } from '../../postgres/data-directory.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import { readCurrentLsn } from '../../postgres/server.ts';
import { majorVersion } from '../../postgres/version.ts';
import type { Emit } from '../../report/events.ts';
import { formatCount } from '../../report/units.ts';
import type { ObjectStore } from '../../store/store.ts';
import { ensureIdentity } from '../../wal/identity.ts';
import { inParallel } from '../map-parallel.ts';
import { proveArchiving } from './archiving.ts';
import { type Claim, sweepClaims } from './claim.ts';
import type { BackupFacts } from './documents.ts';
import { type Copied, finishBackup } from './finish.ts';
import { tablespaceVersionDirectory } from './layout.ts';
import { type DamagedPage, PageChecker } from './pages.ts';
import { checkServer, type Server } from './preflight.ts';
import { type Started, startClaimed } from './start.ts';
import { uploadFiles } from './upload.ts';
import { type LeftOut, walkDataDirectory } from './walk.ts';

export interface PushDeps {
  store: ObjectStore;
  encoder: Encoder;
  /** Connects to the server; `pgdata` may say where it is. */
  connect(pgdata: string | undefined, signal: AbortSignal): Promise<PostgresSession>;
  /** Local folder, for the copy of the archive's identity. */
  spool: string;
  emit: Emit;
}

export interface PushOptions {
  /** Undefined: where the server says it is. */
  pgdata: string | undefined;
  /** Kept for ever, whatever retention says. */
  permanent: boolean;
  /** Tars under way at the same time. */
  uploadConcurrency: number;
  /** How long WAL may take to arrive in the archive, ms. */
  archiveTimeout: number;
  /** Of pgarc, for the backup's note. */
  version: string;
  /** How often the server is asked whether all is as it was, ms. */
  watchInterval?: number;
}

/** A backup that is complete. Sizes are bytes. */
export interface PushedBackup {
  name: string;
  timeline: number;
  startLsn: Lsn;
  finishLsn: Lsn;
  startTime: Date;
  finishTime: Date;
  durationMs: number;
  uncompressedSize: number;
  storedSize: number;
  files: number;
  tablespaces: number;
  permanent: boolean;
  /** False when the cluster has no page checksums. */
  pagesChecked: boolean;
  damagedPages: readonly DamagedPage[];
  /** Links and special files of the data directory, which are not in it. */
  leftOut: readonly LeftOut[];
}

/** Unfinished uploads older than this are swept, ms: longer than any request lives. */
const SWEEP_AGE = 24 * 3_600_000;
const CLEAN_UP_TIMEOUT = 60_000;

/**
 * Takes a full base backup of a running server, primary or standby, from its own data directory.
 * @throws PgarcError `refused` for a wrong server or settings, `locked`, `postgres-unreachable`,
 *   `store-unreachable`, `interrupted` when the signal aborts, `failed`; nothing is left in the store then
 */
export async function pushBackup(
  deps: PushDeps,
  options: PushOptions,
  signal: AbortSignal,
): Promise<PushedBackup> {
  try {
    const given = options.pgdata === undefined ? undefined : await requireDataDirectory(options.pgdata);
    tell(deps, 'connecting to PostgreSQL');
    const session = await deps.connect(given, signal);
    try {
      const server = await checkServer(session, given);
      await lockBackups(session, signal);
      await prepareStore(deps, server, signal);
      return await takeBackup(deps, options, server, signal);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const reason: unknown = signal.reason;
    if (reason instanceof PgarcError) throw reason;
    throw new PgarcError('interrupted', 'the backup was interrupted', { cause: error });
  }
}

async function prepareStore(deps: PushDeps, { facts, pgdata }: Server, signal: AbortSignal): Promise<void> {
  const { store, emit } = deps;
  await ensureIdentity(deps, facts.systemIdentifier, signal);
  const owner = { dataDir: pgdata, systemIdentifier: facts.systemIdentifier };
  for (const backup of await sweepClaims(store, owner, emit, signal)) {
    tell(deps, `removed the unfinished backup ${backup}`);
  }
  try {
    await store.sweep(new Date(Date.now() - SWEEP_AGE), { signal });
  } catch (error) {
    signal.throwIfAborted();
    emit({ type: 'warning', message: `could not look for unfinished uploads: ${messageOf(error)}` });
  }
}

async function takeBackup(
  deps: PushDeps,
  options: PushOptions,
  server: Server,
  signal: AbortSignal,
): Promise<PushedBackup> {
  const { store, encoder, emit } = deps;
  const startTime = new Date();
  tell(deps, 'starting the backup (checkpoint)');
  const started = await startClaimed(deps, server, options.watchInterval, signal);
  const { backup, claim } = started;
  let isStopped = false;
  try {
    const copied = await copyFiles(deps, options, server, started, AbortSignal.any([signal, backup.ended]));
    tell(deps, 'stopping the backup');
    const stopped = await backup.stop();
    isStopped = true;
    tell(deps, 'waiting for the last WAL to arrive in the archive');
    const { timeline, startLsn } = backup;
    const done = await finishBackup(
      { ...server, store, encoder, emit },
      copied,
      stopped,
      { ...options, claim, timeline, startLsn, startTime, dataDir: server.pgdata },
      signal,
    );
    await releaseClaim(claim, emit);
    return sumUp(started, copied, done);
  } catch (error) {
    tell(deps, 'giving the backup up and removing what was stored');
    if (!isStopped) await backup.abandon();
    await removeBackup(claim, emit);
    throw !isStopped && backup.ended.aborted ? backup.ended.reason : error;
  }
}

/** Stores the files of a backup that has begun, once it is proved that WAL reaches the archive. */
async function copyFiles(
  deps: PushDeps,
  options: PushOptions,
  server: Server,
  { backup, claim }: Started,
  signal: AbortSignal,
): Promise<Copied> {
  const { store, encoder, emit } = deps;
  const { session, facts, pgdata } = server;
  const { versionNumber, catalogVersion, logDirectory } = facts;
  const versionDirectory = tablespaceVersionDirectory(majorVersion(versionNumber), catalogVersion);
  const [walk] = await inParallel(signal, [
    (each) => walkDataDirectory(pgdata, { versionDirectory, logDirectory }, emit, each),
    (each) => proveArchiving({ ...server, store, emit }, backup, options.archiveTimeout, each),
  ]);
  tell(deps, `copying ${formatCount(walk.files.length, 'file')}`);
  const { startLsn } = backup;
  const pages = facts.dataChecksums
    ? new PageChecker({ ...facts, startLsn, emit, signal, currentLsn: () => readCurrentLsn(session) })
    : undefined;
  const target = { backup: claim.backup, pgdata, concurrency: options.uploadConcurrency };
  const uploaded = await uploadFiles({ store, encoder, pages, emit }, walk, target, signal);
  // After all files: on a standby it says how far WAL must be replayed for the copies to be consistent.
  const control = (await loadControlFile(pgdata)).bytes;
  return { walk, uploaded, control, pagesChecked: pages !== undefined, damaged: pages?.damaged ?? [] };
}

function sumUp({ backup, claim }: Started, copied: Copied, done: BackupFacts): PushedBackup {
  const { startLsn, finishLsn, startTime, finishTime, uncompressedSize, storedSize, permanent } = done;
  return {
    name: claim.backup,
    timeline: backup.timeline,
    startLsn,
    finishLsn,
    startTime,
    finishTime,
    durationMs: finishTime.getTime() - startTime.getTime(),
    uncompressedSize,
    storedSize,
    files: copied.uploaded.files.length,
    tablespaces: copied.walk.tablespaces.length,
    permanent,
    pagesChecked: copied.pagesChecked,
    damagedPages: copied.damaged,
    leftOut: copied.walk.leftOut,
  };
}

/** The backup is complete: a claim that stays only costs the next run a look. */
async function releaseClaim(claim: Claim, emit: Emit): Promise<void> {
  try {
    await claim.finish(AbortSignal.timeout(CLEAN_UP_TIMEOUT));
  } catch (error) {
    emit({ type: 'warning', message: `could not remove the claim on ${claim.backup}: ${messageOf(error)}` });
  }
}

async function removeBackup(claim: Claim, emit: Emit): Promise<void> {
  try {
    await claim.abandon(AbortSignal.timeout(CLEAN_UP_TIMEOUT));
  } catch (error) {
    emit({
      type: 'warning',
      message: `could not remove what was stored of ${claim.backup}: ${messageOf(error)}`,
      hint: 'It is no backup without its sentinel; the next backup-push of this server removes it.',
    });
  }
}

function tell(deps: PushDeps, text: string): void {
  deps.emit({ type: 'phase', operation: 'backup', text });
}
