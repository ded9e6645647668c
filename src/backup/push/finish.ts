import { hostname } from 'node:os';
import type { Encoder } from '../../codec/codec.ts';
import { PgarcError } from '../../errors.ts';
import { formatJson } from '../../json.ts';
import type { StoppedBackup } from '../../postgres/backup-session.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import type { RequestOptions } from '../../store/store.ts';
import {
  filesMetadataKey,
  manifestKey,
  metadataKey,
  noteKey,
  partitionKey,
  sentinelKey,
} from '../format/keys.ts';
import { formatManifest } from '../format/manifest.ts';
import { hasRawBytes } from '../format/name-bytes.ts';
import { formatTablespaceMapFile, parseTablespaceMapFile } from '../format/tablespace-map.ts';
import { inParallel } from '../map-parallel.ts';
import { type ArchivingDeps, requireWal } from './archiving.ts';
import type { Claim } from './claim.ts';
import { type BackupFacts, formatFilesMetadata, makeMetadata, makeNote, makeSentinel } from './documents.ts';
import type { DamagedPage } from './pages.ts';
import { type ContentFile, storeSmallTar } from './small-tar.ts';
import type { StoredTar, Uploaded } from './upload.ts';
import { requireTablespaces, type Tablespace, type Walk, type WalkedEntry } from './walk.ts';

export interface FinishDeps extends ArchivingDeps {
  encoder: Encoder;
}

/** What was copied before the backup was stopped. */
export interface Copied {
  walk: Walk;
  uploaded: Uploaded;
  /** The content of pg_control. */
  control: Buffer;
  /** False when the cluster has no page checksums. */
  pagesChecked: boolean;
  damaged: readonly DamagedPage[];
}

export interface FinishOptions {
  claim: Claim;
  timeline: number;
  startLsn: Lsn;
  startTime: Date;
  dataDir: string;
  permanent: boolean;
  /** ms */
  archiveTimeout: number;
  /** Of pgarc itself. */
  version: string;
}

/**
 * Stores what makes the parts a backup: pg_control and label, WAL proven, metadata, and the sentinel last,
 * which no other backup may have stored meanwhile.
 */
export async function finishBackup(
  deps: FinishDeps,
  copied: Copied,
  stopped: StoppedBackup,
  options: FinishOptions,
  signal: AbortSignal,
): Promise<BackupFacts> {
  const { store, facts } = deps;
  const { claim, timeline, startLsn } = options;
  const { backup } = claim;
  const { stopLsn } = stopped;
  const map = parseTablespaceMapFile(Buffer.from(stopped.tablespaceMap));
  requireTablespaces(options.dataDir, copied.walk.tablespaces, map.keys());
  const range = { timeline, startLsn, ...stopped };
  const [{ tars, packed }] = await inParallel(signal, [
    (each) => storeLists(deps, copied, stopped, options, each),
    (each) => requireWal(deps, range, options.archiveTimeout, each),
  ] as const);

  const backupFacts: BackupFacts = {
    startLsn,
    finishLsn: stopLsn,
    versionNumber: facts.versionNumber,
    systemIdentifier: facts.systemIdentifier,
    startTime: options.startTime,
    finishTime: new Date(),
    hostname: hostname(),
    dataDir: options.dataDir,
    permanent: options.permanent,
    uncompressedSize: packed.reduce((sum, file) => sum + file.size, 0),
    storedSize: tars.reduce((sum, tar) => sum + tar.storedSize, 0),
    catalogSize: copied.walk.catalogSize,
    tablespaces: copied.walk.tablespaces,
  };
  await inParallel(signal, [
    (each) => store.put(metadataKey(backup), toBytes(makeMetadata(backupFacts)), { signal: each }),
    (each) => confirmTars(deps, backup, tars, each),
    (each) => claim.confirm(each),
  ] as const);
  await storeSentinel(deps, backup, toBytes(makeSentinel(backupFacts)), { signal });
  return backupFacts;
}

/** Stores pg_control, the label, and the lists of all files. */
async function storeLists(
  deps: FinishDeps,
  copied: Copied,
  stopped: StoppedBackup,
  options: FinishOptions,
  signal: AbortSignal,
): Promise<{ tars: StoredTar[]; packed: Uploaded['files'] }> {
  const { store, encoder, facts } = deps;
  const { walk, uploaded, control, pagesChecked, damaged } = copied;
  const { claim, timeline, startLsn, version } = options;
  const { backup } = claim;
  const controlFile = { entry: walk.control, content: control };
  const [controlTar, labelTar] = await inParallel(signal, [
    (each) => storeSmallTar(store, encoder, backup, 'pg_control.tar', [controlFile], each),
    (each) => storeSmallTar(store, encoder, backup, 'backup_label.tar', labelFiles(walk, stopped), each),
  ] as const);
  const packed = [...uploaded.files, ...controlTar.files, ...labelTar.files];
  const manifest = formatManifest({
    pgVersion: facts.versionNumber,
    systemIdentifier: facts.systemIdentifier,
    files: manifestFiles(packed),
    walRanges: [{ timeline, startLsn, endLsn: stopped.stopLsn }],
  });
  const listed = formatFilesMetadata(entriesOf(walk, uploaded), [...uploaded.tars, labelTar.tar]);
  const note = makeNote({ version, pagesChecked, damaged, leftOut: walk.leftOut });
  await inParallel(signal, [
    (each) => store.putStream(manifestKey(backup), toAsync(manifest), { signal: each }),
    (each) => store.putStream(filesMetadataKey(backup), toAsync(listed), { signal: each }),
    (each) => store.put(noteKey(backup), note, { signal: each }),
  ] as const);
  return { tars: [...uploaded.tars, controlTar.tar, labelTar.tar], packed };
}

/** Both are always there, as WAL-G writes them; the map is empty without tablespaces. */
function labelFiles(walk: Walk, stopped: StoppedBackup): ContentFile[] {
  const { uid, gid } = walk.control;
  const modifiedNs = BigInt(Date.now()) * 1_000_000n;
  return [
    { name: 'tablespace_map', content: mapOf(stopped.tablespaceMap, walk.tablespaces) },
    { name: 'backup_label', content: Buffer.from(stopped.backupLabel) },
  ].map(({ name, content }) => {
    return { entry: { name, size: content.length, mode: 0o600, uid, gid, modifiedNs, crc32c: 0 }, content };
  });
}

/** A path that is not UTF-8 does not survive a connection: the link has its bytes. */
function mapOf(text: string, tablespaces: readonly Tablespace[]): Buffer {
  const raw = tablespaces.filter(({ location }) => hasRawBytes(location));
  const map = Buffer.from(text);
  if (raw.length === 0) return map;
  const places = parseTablespaceMapFile(map);
  for (const { oid, location } of raw) if (places.has(oid)) places.set(oid, location);
  return formatTablespaceMapFile(places);
}

function* manifestFiles(packed: Uploaded['files']) {
  for (const { name, size, modifiedNs, crc32c } of packed) {
    const path = name.startsWith('/') ? name.slice(1) : name;
    yield { path, size, modified: new Date(Number(modifiedNs / 1_000_000n)), crc32c: crc32c >>> 0 };
  }
}

function* entriesOf(walk: Walk, uploaded: Uploaded): Generator<WalkedEntry> {
  yield* walk.directories;
  yield* uploaded.files;
}

/** Looks all tars up by one listing: what the store lost, or another process removed, is seen now. */
async function confirmTars(
  { store }: FinishDeps,
  backup: string,
  tars: readonly StoredTar[],
  signal: AbortSignal,
): Promise<void> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list(partitionKey(backup, ''), { signal })) sizes.set(key, size);
  for (const { name, storedSize } of tars) {
    const key = partitionKey(backup, name);
    if (sizes.get(key) === storedSize) continue;
    const found = sizes.has(key) ? `has ${sizes.get(key)} bytes instead of ${storedSize}` : 'is not there';
    throw new PgarcError('failed', `the store took ${key}, and now it ${found}`, {
      hint: 'Find out what else writes to or deletes from this store, then take the backup again.',
    });
  }
}

async function storeSentinel(
  { store }: FinishDeps,
  backup: string,
  body: Buffer,
  options: RequestOptions,
): Promise<void> {
  const key = sentinelKey(backup);
  if ((await store.putIfAbsent(key, body, options)) === 'stored') return;
  // The answer to our own attempt may have been lost.
  if ((await store.get(key, options))?.equals(body)) return;
  throw new PgarcError('failed', `a backup ${backup} was stored by another process meanwhile`, {
    hint: 'Take the backup again.',
  });
}

async function* toAsync(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* pieces;
}

function toBytes(value: unknown): Buffer {
  return Buffer.from(formatJson(value));
}
