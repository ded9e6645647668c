import { dirname } from 'node:path';
import type { Encoder } from '../codec/codec.ts';
import { PgarcError } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { invalid } from './check-segment.ts';
import { findWrongTimeline, isOfOlderTimeline } from './check-timeline.ts';
import { findCluster, readClusterControl } from './cluster.ts';
import { compareWithStored, conflict } from './compare.ts';
import { compressFile } from './compress.ts';
import { assertMounted, ensureIdentity, isIdentityMismatch } from './identity.ts';
import { walKey } from './keys.ts';
import { readNote, writeNote } from './note.ts';
import { type PreparedWal, type PrepareOptions, prepareWal } from './prepare.ts';
import { readExactly } from './read-exactly.ts';
import { findWalKeys } from './read-object.ts';
import { warnOfMinimal } from './warn-of-minimal.ts';

export interface PushDeps {
  store: ObjectStore;
  spool: string;
  /** The setting; finds the cluster when pg_wal is a link elsewhere. */
  pgdata: string | undefined;
  emit: Emit;
}

export interface PushResult {
  name: string;
  outcome: 'stored' | 'already-stored';
  /** Of the file. */
  bytes: number;
  /** As stored; 0 when it was stored before. */
  storedBytes: number;
}

/** A name whose object vanishes between "it exists" and the look at it is tried this often. */
const ATTEMPTS = 3;

/** Archives one WAL file: `prepareWal`, then `storeWal`. */
export async function pushWal(
  deps: PushDeps & { encoder: Encoder },
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<PushResult> {
  await using prepared = await prepareWal(deps.encoder, options);
  return await storeWal(deps, prepared, signal);
}

/**
 * Stores a checked WAL file (ARCHITECTURE.md, invariant 1). Returns only when it is stored, by this call or
 * with the same bytes before. One request in the usual case: the conditional PutObject.
 *
 * The condition covers one key, and the same file might be stored under another extension: WAL-G's before
 * the change to pgarc, or pgarc's before a change of the compression. So the archive is listed for the name
 * first when this host has not pushed with this extension yet (note.ts), and always for the small files,
 * which are few. Hosts of one cluster that compress differently at the same time are not supported.
 * @throws PgarcError `wal-invalid`, `wal-conflict`, `store-unreachable`
 */
export async function storeWal(
  deps: PushDeps,
  prepared: PreparedWal,
  signal: AbortSignal,
): Promise<PushResult> {
  const { source } = prepared;
  const { name } = source.file;
  await checkOwner(deps, prepared, signal);
  await checkTimeline(deps, prepared, signal);
  const storedBytes = await store(deps, prepared, signal);
  await warnOfMinimal(source, deps.emit);
  if (storedBytes === undefined) {
    deps.emit({ type: 'walAlreadyStored', name });
    return { name, outcome: 'already-stored', bytes: source.size, storedBytes: 0 };
  }
  const durationMs = performance.now() - prepared.began;
  deps.emit({ type: 'walPushed', name, bytes: source.size, storedBytes, durationMs });
  return { name, outcome: 'stored', bytes: source.size, storedBytes };
}

async function checkOwner(deps: PushDeps, prepared: PreparedWal, signal: AbortSignal): Promise<void> {
  const { source, path, cwd } = prepared;
  let systemIdentifier = source.header?.systemIdentifier;
  if (systemIdentifier === undefined) {
    const cluster = await findCluster(path, { cwd, pgdata: deps.pgdata });
    systemIdentifier = (await readClusterControl(cluster, deps.emit))?.systemIdentifier;
  }
  if (systemIdentifier === undefined) return assertMounted(deps, signal);
  try {
    await ensureIdentity(deps, systemIdentifier, signal);
  } catch (error) {
    if (!isIdentityMismatch(error)) throw error;
    const { message, hint = '' } = error;
    throw new PgarcError('wal-invalid', `${source.file.name} is not stored: ${message}`, {
      cause: error,
      hint,
    });
  }
}

/** Only in the segment that holds a switch of timelines, or for a wrong file, this asks for more than a comparison. */
async function checkTimeline(
  { store, emit }: PushDeps,
  { source, path }: PreparedWal,
  signal: AbortSignal,
): Promise<void> {
  const { file, header, handle } = source;
  if (header === undefined || !isOfOlderTimeline(file, header)) return;
  const read = async (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    await readExactly(handle, bytes, offset);
    return bytes;
  };
  const deps = { store, emit, walFolder: dirname(path) };
  const wrong = await findWrongTimeline(deps, file, header, read, signal);
  if (wrong !== undefined) throw invalid(file.name, wrong);
}

/** @returns bytes stored, or undefined when the same file was stored before */
async function store(
  deps: PushDeps,
  prepared: PreparedWal,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { source } = prepared;
  const { extension } = prepared.encoder;
  const key = walKey(source.file.name, extension);
  const note = await readNote(deps.spool, deps.store.name);
  const isSegment = source.file.kind === 'segment';
  if (!isSegment || note.extension !== extension) {
    for (const other of await findWalKeys(deps.store, source.file.name, signal)) {
      if (await isStored(deps, other, prepared, signal)) {
        await deps.store.settle?.(other);
        return undefined;
      }
    }
  }
  const storedBytes = await create(deps, key, prepared, signal);
  if (isSegment && note.extension !== extension) {
    const noted = await readNote(deps.spool, deps.store.name);
    await writeNote(deps.spool, deps.store.name, { ...noted, extension }, deps.emit);
  }
  return storedBytes;
}

/** @returns bytes stored, or undefined when the same file is stored under `key` */
async function create(
  deps: PushDeps,
  key: string,
  prepared: PreparedWal,
  signal: AbortSignal,
): Promise<number | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const storedBytes = await putIfAbsent(deps, key, prepared, signal);
    if (storedBytes !== undefined) return storedBytes;
    if (await isStored(deps, key, prepared, signal)) return undefined;
  }
  throw new PgarcError('failed', `${key} comes and goes in ${deps.store.location}`, {
    hint: 'Something else deletes objects under this prefix; PostgreSQL will ask again.',
  });
}

/** @returns bytes stored, or undefined when the key is taken */
async function putIfAbsent(
  deps: PushDeps,
  key: string,
  { source, encoder, packed }: PreparedWal,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (packed !== undefined) {
    const body = await packed;
    const outcome = await deps.store.putIfAbsent(key, body, { signal });
    return outcome === 'stored' ? body.length : undefined;
  }
  let storedBytes = 0;
  const body = async function* () {
    for await (const frame of compressFile(source.handle, source.size, encoder)) {
      storedBytes += frame.length;
      yield frame;
    }
    await source.assertUnchanged();
  };
  const outcome = await deps.store.putStreamIfAbsent(key, body(), { signal });
  return outcome === 'stored' ? storedBytes : undefined;
}

/** @returns false when nothing is stored there any more. @throws PgarcError `wal-conflict` */
async function isStored(
  { store, emit }: PushDeps,
  key: string,
  { source, path }: PreparedWal,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await compareWithStored(store, key, source, signal);
  if (found === undefined) return false;
  if (found.firstDifference === undefined) return true;
  const { describeSharedEnd } = await import('./shared-end.ts');
  const shared = await describeSharedEnd(source, dirname(path), found);
  if (shared === undefined) throw conflict(source, key, store.location, found);
  emit({
    type: 'warning',
    message: `${source.file.name} counts as archived: it is the same as the stored one ${shared}, and holds no WAL behind`,
  });
  return true;
}
