import { messageOf, PgarcError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { ObjectStore } from '../../store/store.ts';
import type { Backup } from '../catalog.ts';
import { filesMetadataKey, manifestKey, noteKey, partitionsPrefix, sentinelKey } from '../format/keys.ts';
import { type Manifest, parseManifest } from '../format/manifest.ts';
import type { FilesMetadata, Sentinel, Spec, TablespaceSpec } from '../format/sentinel.ts';
import { safeMemberPath } from '../format/tar.ts';
import { type BackupForm, formOf, NUMBERING, TARS_OF_FORM, UNCLOSED_AFTER } from './form.ts';

/** One tar of a backup. */
export interface StoredPart {
  key: string;
  /** `part_001.tar.lz4` */
  name: string;
  /** Without the dot; empty when it is not compressed. */
  extension: string;
  /** Bytes as stored. */
  size: number;
  /** After which member it may end without an end mark; undefined: after none. */
  unclosedAfter?: 'any' | 'pg_control';
}

/** How a delta backup holds a file. */
export type FileState = 'whole' | 'increment' | 'unchanged';

/** What the store says a backup consists of. Paths have no leading slash; '' is the data directory. */
export interface BackupContents {
  backup: Backup;
  form: BackupForm;
  parts: readonly StoredPart[];
  /** By oid: where the tablespace lay. */
  tablespaces: ReadonlyMap<string, string>;
  /** pgarc's backups. */
  manifest: Manifest | undefined;
  /** From files_metadata.json; undefined when it lists nothing (or was not needed beside a manifest). */
  files: ReadonlyMap<string, FileState> | undefined;
  /** Members of each tar by its name, where known. */
  members: ReadonlyMap<string, readonly string[]>;
}

/** A list of a million files is below this. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;
const PART_NAME = /^(.+\.tar)(?:\.([a-z0-9]+))?$/;

/**
 * Reads everything about a backup but its parts.
 * @throws PgarcError `object-missing`, `object-damaged`, `store-unreachable`
 */
export async function readContents(
  store: ObjectStore,
  backup: Backup,
  signal: AbortSignal,
): Promise<BackupContents> {
  const [sentinel, manifest, listed] = await Promise.all([
    readSentinel(store, backup.name, signal),
    // A delta's files are not what its manifest would list.
    backup.kind === 'full' ? readManifest(store, backup.name, signal) : undefined,
    listParts(store, backup.name, signal),
  ]);
  // A manifest says all that files_metadata.json does, which is big for a cluster of many tables.
  if (manifest !== undefined) await requireFileLists(store, backup, signal);
  else await requireNoManifest(store, backup, signal);
  const lists = manifest === undefined ? await readLists(store, backup, sentinel, signal) : NO_LISTS;
  const tablespaces = tablespacesOf(sentinel.Spec ?? sentinel.spec);
  const tars = listed.map(({ name }) => name);
  const form = formOf({ backup, hasManifest: manifest !== undefined, files: lists.files, tars });
  const unclosedAfter = UNCLOSED_AFTER[form];
  const parts = listed.map((part) => ({ ...part, ...(unclosedAfter && { unclosedAfter }) }));
  const contents = { backup, form, parts, tablespaces, manifest, ...lists };
  requireParts(contents);
  return contents;
}

/** What is on record of a backup's members. */
export interface FileLists {
  files: ReadonlyMap<string, FileState> | undefined;
  members: ReadonlyMap<string, readonly string[]>;
}

const NO_LISTS: FileLists = { files: undefined, members: new Map() };

type AnySentinel = Partial<Sentinel & FilesMetadata> & { spec?: Spec | null };

async function readSentinel(store: ObjectStore, name: string, signal: AbortSignal): Promise<AnySentinel> {
  const bytes = await store.get(sentinelKey(name), { signal, maxBytes: MAX_LIST_BYTES });
  if (bytes === undefined) throw new PgarcError('no-such-backup', `backup ${name} is gone by now`);
  return parseObject(sentinelKey(name), bytes) as AnySentinel;
}

async function readManifest(store: ObjectStore, name: string, signal: AbortSignal) {
  const bytes = await store.get(manifestKey(name), { signal, maxBytes: MAX_LIST_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return parseManifest(bytes);
  } catch (cause) {
    throw damaged(manifestKey(name), messageOf(cause), cause);
  }
}

async function readLists(
  store: ObjectStore,
  backup: Backup,
  sentinel: AnySentinel,
  signal: AbortSignal,
): Promise<FileLists> {
  const key = filesMetadataKey(backup.name);
  const bytes = await store.get(key, { signal, maxBytes: MAX_LIST_BYTES });
  // Before its version 2, WAL-G kept the list in the sentinel.
  const found = bytes === undefined ? sentinel : (parseObject(key, bytes) as Partial<FilesMetadata>);
  const lists = parseLists(key, found);
  if (lists.files === undefined && backup.kind === 'delta') {
    throw new PgarcError('object-missing', `${key} is missing, so the delta backup cannot be put together`, {
      hint: `Restore the full backup below it and replay more WAL: pgarc backup-fetch ${backup.fullName ?? backup.parent ?? '…'}`,
      details: { key },
    });
  }
  return lists;
}

function parseLists(key: string, found: Partial<FilesMetadata>): FileLists {
  const files = new Map<string, FileState>();
  for (const [name, description] of Object.entries(found.Files ?? {})) {
    const state = description.IsSkipped ? 'unchanged' : description.IsIncremented ? 'increment' : 'whole';
    files.set(memberPath(key, name), state);
  }
  const members = new Map<string, string[]>();
  for (const [tar, names] of Object.entries(found.TarFileSets ?? {})) {
    members.set(
      tar,
      (names ?? []).map((name) => memberPath(key, name)),
    );
  }
  return { files: files.size === 0 ? undefined : files, members };
}

/** Other tools cannot do without the object, and one lost object may not be the only one. */
async function requireFileLists(store: ObjectStore, backup: Backup, signal: AbortSignal): Promise<void> {
  const key = filesMetadataKey(backup.name);
  if ((await store.head(key, { signal })) !== undefined) return;
  throw new PgarcError('object-missing', `${key} is missing from the store`, {
    hint: 'Its backup_manifest is there: to restore by that alone, store {} under this key.',
    details: { key },
  });
}

/** pgarc stores a manifest with every backup: without it, no checksum of a file could be compared. */
async function requireNoManifest(store: ObjectStore, backup: Backup, signal: AbortSignal): Promise<void> {
  if (backup.kind !== 'full' || (await store.head(noteKey(backup.name), { signal })) === undefined) return;
  const key = manifestKey(backup.name);
  throw new PgarcError('object-missing', `${key} is missing from the store`, {
    hint: `To restore without comparing the files' checksums, delete ${noteKey(backup.name)}.`,
    details: { key },
  });
}

/**
 * Reads files_metadata.json beside a manifest.
 * @throws PgarcError `object-damaged`
 */
export async function readFileLists(
  store: ObjectStore,
  backup: Backup,
  signal: AbortSignal,
): Promise<FileLists> {
  return await readLists(store, backup, {}, signal);
}

/**
 * The keys of the tars that should hold `paths`, for a backup whose lists were not read.
 * @returns none when it is not on record
 */
export async function findParts(
  store: ObjectStore,
  backup: Backup,
  paths: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string[]> {
  const { members } = await readFileLists(store, backup, signal);
  const names = [...members].filter(([, list]) => list.some((path) => paths.has(path))).map(([name]) => name);
  return names.map((name) => partitionsPrefix(backup.name) + name);
}

async function listParts(store: ObjectStore, name: string, signal: AbortSignal): Promise<StoredPart[]> {
  const prefix = partitionsPrefix(name);
  const parts: StoredPart[] = [];
  for await (const { key, size } of store.list(prefix, { signal })) {
    const part = key.slice(prefix.length);
    const match = PART_NAME.exec(part);
    if (match !== null && !part.includes('/'))
      parts.push({ key, name: part, extension: match[2] ?? '', size });
  }
  return parts;
}

/** A tar that the lists name, or that the backup's form demands, must be there. */
function requireParts({ backup, form, parts, members }: BackupContents): void {
  const present = new Set(parts.map((part) => part.name));
  const prefix = partitionsPrefix(backup.name);
  for (const name of members.keys()) if (!present.has(name)) throw missing(prefix + name);
  if (parts.length === 0) throw missing(`${prefix}*`);
  const extension = parts[0]?.extension ? `.${parts[0].extension}` : '';
  for (const stem of TARS_OF_FORM[form]) {
    if (!parts.some(({ name }) => name.startsWith(stem))) throw missing(`${prefix}${stem}${extension}`);
  }
  const numbering = NUMBERING[form];
  if (numbering === undefined) return;
  const last = Math.max(...parts.map((part) => Number(/^part_([0-9]+)/.exec(part.name)?.[1] ?? 0)));
  for (let number = numbering.first; number <= last; number++) {
    const name = `part_${String(number).padStart(numbering.digits, '0')}.tar`;
    if (!present.has(name + extension) && !present.has(name)) throw missing(prefix + name + extension);
  }
}

function tablespacesOf(spec: Spec | null | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const oid of spec?.tablespaces ?? []) {
    const entry = spec?.[oid] as TablespaceSpec | undefined;
    if (typeof entry?.loc === 'string') found.set(oid, entry.loc);
  }
  return found;
}

function memberPath(key: string, name: string): string {
  const path = safeMemberPath(name);
  if (path === undefined) throw damaged(key, `it names the file ${JSON.stringify(name)}, outside the backup`);
  return path;
}

function parseObject(key: string, bytes: Buffer): object {
  let value: unknown;
  try {
    value = parseJson(bytes.toString('utf8'));
  } catch (cause) {
    throw damaged(key, 'is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw damaged(key, 'is not a JSON object');
  return value;
}

function missing(key: string): PgarcError {
  return new PgarcError('object-missing', `${key} is missing from the store`, { details: { key } });
}

function damaged(key: string, reason: string, cause?: unknown): PgarcError {
  return new PgarcError('object-damaged', `${key} is damaged: ${reason}`, { cause, details: { key } });
}
