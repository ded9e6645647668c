import { isPgarcError, messageOf } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Lsn } from '../postgres/lsn.ts';
import type { ObjectStore } from '../store/store.ts';
import { DEFAULT_SEGMENT_SIZE, parseSegmentName, segmentStart } from '../wal/segment.ts';
import type { Backup } from './catalog.ts';
import { type BackupName, parseBackupName } from './format/backup-name.ts';
import { metadataKey, partitionsPrefix, sentinelKey } from './format/keys.ts';
import type { Metadata, Sentinel, WaleSentinel } from './format/sentinel.ts';

const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** More WAL than any server writes during one backup, bytes: 64 TiB. Names of its segments are counted up. */
const MAX_WAL_BYTES = 2n ** 46n;

/**
 * Reads one backup's sentinel and metadata.
 * @returns undefined when the sentinel is gone by now
 */
export async function readCatalogEntry(
  store: ObjectStore,
  name: string,
  modified: Date,
  signal: AbortSignal,
): Promise<Backup | undefined> {
  const [sentinel, metadata] = await Promise.all([
    getJson(store, sentinelKey(name), signal),
    getJson(store, metadataKey(name), signal),
  ]);
  if (sentinel === undefined) return undefined;
  const backup = describeBackup(name, modified, sentinel, metadata);
  if (backup.kind === 'wal-e') backup.storedSize = await sumObjects(store, partitionsPrefix(name), signal);
  return backup;
}

/** What a JSON object of the store turned out to be. */
export type JsonObject = { value: Readonly<Record<string, unknown>> } | { problem: string };

/**
 * Builds the catalog's entry from what the store holds. Pure.
 * @param modified when the sentinel was stored; the finish time where none is recorded
 * @param metadata undefined when there is no `metadata.json`
 */
function describeBackup(
  name: string,
  modified: Date,
  sentinel: JsonObject,
  metadata: JsonObject | undefined,
): Backup {
  const warnings: string[] = [];
  const origin = parseBackupName(name);
  if (origin === undefined) warnings.push('the name is not one of a PostgreSQL backup');
  if ('problem' in sentinel) warnings.push(`sentinel: ${sentinel.problem}`);
  const facts = 'value' in sentinel ? (sentinel.value as Partial<Sentinel & WaleSentinel>) : {};
  const extra = metadata !== undefined && 'value' in metadata ? (metadata.value as Partial<Metadata>) : {};
  const permanent = readMark(name, facts.IsPermanent, metadata, warnings);

  const isWale = typeof facts.wal_segment_backup_stop === 'string';
  const startLsn = toBigint(facts.LSN ?? extra.start_lsn) ?? startOf(origin);
  const written = isWale
    ? positionOf(facts.wal_segment_backup_stop, facts.wal_segment_offset_backup_stop)
    : toBigint(facts.FinishLSN ?? extra.finish_lsn);
  const finishLsn = isFinish(written, startLsn ?? 0n) ? written : undefined;
  if ('value' in sentinel && finishLsn === undefined) {
    warnings.push(`the sentinel has no finish LSN${written === undefined ? '' : ' that fits its start'}`);
  }
  return {
    name,
    kind: isWale ? 'wal-e' : facts.DeltaFrom ? 'delta' : (origin?.kind ?? 'full'),
    startLsn: startLsn ?? 0n,
    finishLsn,
    timeline: Number.parseInt(origin?.segment.slice(0, 8) ?? '0', 16),
    systemIdentifier: toBigint(facts.SystemIdentifier ?? extra.system_identifier),
    startTime: toDate(facts.StartTime ?? extra.start_time),
    finishTime: toDate(facts.FinishTime ?? extra.finish_time) ?? modified,
    storedTime: modified,
    uncompressedSize: toNumber(
      facts.UncompressedSize ?? facts.expanded_size_bytes ?? extra.uncompressed_size,
    ),
    storedSize: toNumber(facts.CompressedSize ?? extra.compressed_size),
    dataSize: toNumber(facts.DataCatalogSize ?? facts.expanded_size_bytes ?? facts.UncompressedSize),
    pgVersion: toNumber(facts.PgVersion ?? extra.pg_version),
    // What is not known must not be dropped.
    permanent: permanent ?? true,
    ...(permanent === undefined ? { isMarkUnknown: true } : {}),
    hostname: toText(facts.Hostname ?? extra.hostname),
    dataDir: toText(facts.DataDir ?? extra.data_dir ?? facts.spec?.base_prefix),
    parent: toText(facts.DeltaFrom),
    fullName: toText(facts.DeltaFullName),
    deltaCount: toNumber(facts.DeltaCount),
    userData: extra.user_data ?? facts.UserData,
    usable: origin !== undefined && 'value' in sentinel && finishLsn !== undefined && startLsn !== undefined,
    warnings,
  };
}

/**
 * Whether a backup is permanent. metadata.json has the last word: backup-mark rewrites only that object.
 * @returns undefined when it is there and does not tell; then there is a warning
 */
function readMark(
  name: string,
  atFirst: boolean | undefined,
  metadata: JsonObject | undefined,
  warnings: string[],
): boolean | undefined {
  let problem = 'is_permanent is neither true nor false';
  if (metadata === undefined) return atFirst ?? false;
  if ('problem' in metadata) problem = metadata.problem;
  else {
    const { is_permanent: mark = atFirst ?? false } = metadata.value;
    if (typeof mark === 'boolean') return mark;
  }
  warnings.push(`${metadataKey(name)}: ${problem}; it may be permanent and counts as such`);
  return undefined;
}

function isFinish(lsn: Lsn | undefined, start: Lsn): boolean {
  return lsn !== undefined && lsn >= start && lsn - start <= MAX_WAL_BYTES;
}

/** Reads a JSON object. @returns undefined when the store has none under `key` */
export async function getJson(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  maxBytes = MAX_JSON_BYTES,
): Promise<JsonObject | undefined> {
  let bytes: Buffer | undefined;
  try {
    bytes = await store.get(key, { signal, maxBytes });
  } catch (error) {
    if (isPgarcError(error, 'object-damaged')) return { problem: error.message };
    throw error;
  }
  if (bytes === undefined) return undefined;
  try {
    const value = parseJson(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { value: value as Record<string, unknown> };
    }
    return { problem: 'is not a JSON object' };
  } catch (error) {
    return { problem: `is not JSON: ${messageOf(error)}` };
  }
}

/** Sum of the sizes of all objects under a prefix, bytes. */
async function sumObjects(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<number> {
  let sum = 0;
  for await (const object of store.list(prefix, { signal })) sum += object.size;
  return sum;
}

/** Start of the segment in the name; WAL-E adds the offset, so there it is exact. */
function startOf(name: BackupName | undefined): Lsn | undefined {
  return positionOf(name?.segment, name?.kind === 'wal-e' ? String(name.offset) : '0');
}

/** WAL-E counts in segments of 16 MiB and writes the offset in decimal. */
function positionOf(segmentName: string | undefined, offset: string | undefined): Lsn | undefined {
  const segment = parseSegmentName(segmentName ?? '', DEFAULT_SEGMENT_SIZE);
  if (segment === undefined || !/^[0-9]+$/.test(offset ?? '')) return undefined;
  return segmentStart(segment, DEFAULT_SEGMENT_SIZE) + BigInt(offset as string);
}

function toBigint(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

function toNumber(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function toDate(value: unknown): Date | undefined {
  if (typeof value !== 'string') return undefined;
  const date = new Date(value);
  // WAL-G writes Go's zero time for what it does not know.
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1970 ? undefined : date;
}
