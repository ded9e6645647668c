/**
 * PostgreSQL's backup_manifest (backend/backup/backup_manifest.c, common/parse_manifest.c), as stock
 * pg_verifybackup accepts it.
 */
import { createHash } from 'node:crypto';
import { messageOf, PgarcError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { formatLsn, type Lsn, parseLsn } from '../../postgres/lsn.ts';
import { decodeName, encodeName, hasRawBytes } from './name-bytes.ts';

export interface ManifestFile {
  /** Relative to the data directory, tablespaces as `pg_tblspc/<oid>/…`. Raw bytes as in name-bytes.ts. */
  path: string;
  /** Bytes. */
  size: number;
  modified: Date;
  /** CRC-32C of the content; undefined when the manifest carries none or one of another kind. */
  crc32c: number | undefined;
}

/** WAL that must be replayed before the backup is consistent. */
export interface WalRange {
  timeline: number;
  startLsn: Lsn;
  endLsn: Lsn;
}

export interface Manifest {
  /** Undefined before manifest version 2. */
  systemIdentifier: bigint | undefined;
  files: ManifestFile[];
  walRanges: WalRange[];
}

export interface ManifestSource {
  /** As server_version_num; it decides the manifest's version: 2 from PostgreSQL 17 on. */
  pgVersion: number;
  systemIdentifier: bigint;
  files: Iterable<ManifestFile>;
  /** Newest timeline first, as PostgreSQL writes them. */
  walRanges: readonly WalRange[];
}

const CHUNK = 256 * 1024;
const FIRST_WITH_VERSION_2 = 170000;

/** Writes a manifest piece by piece. */
export function* formatManifest(source: ManifestSource): Generator<Buffer> {
  const hash = createHash('sha256');
  let pending = '';
  const flush = (): Buffer => {
    const chunk = Buffer.from(pending, 'utf8');
    pending = '';
    hash.update(chunk);
    return chunk;
  };

  const isVersion2 = source.pgVersion >= FIRST_WITH_VERSION_2;
  pending = `{ "PostgreSQL-Backup-Manifest-Version": ${isVersion2 ? 2 : 1},\n`;
  if (isVersion2) pending += `"System-Identifier": ${source.systemIdentifier},\n`;
  pending += '"Files": [';
  let separator = '\n';
  for (const file of source.files) {
    pending += separator + formatFile(file);
    separator = ',\n';
    if (pending.length >= CHUNK) yield flush();
  }
  pending += `\n],\n"WAL-Ranges": [\n${source.walRanges.map(formatWalRange).join(',\n')}\n],\n`;
  yield flush();
  // The checksum covers everything before its own line.
  yield Buffer.from(`"Manifest-Checksum": "${hash.digest('hex')}"}\n`);
}

/**
 * Reads a manifest of version 1 or 2 and verifies its own checksum.
 * @throws PgarcError `object-damaged`
 */
export function parseManifest(bytes: Buffer): Manifest {
  try {
    return readManifest(bytes);
  } catch (cause) {
    throw new PgarcError('object-damaged', `backup manifest is damaged: ${messageOf(cause)}`, { cause });
  }
}

function readManifest(bytes: Buffer): Manifest {
  const lastLine = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
  const document = record(parseJson(bytes.toString('utf8')));
  const checksum = createHash('sha256').update(bytes.subarray(0, lastLine)).digest('hex');
  const expected = document['Manifest-Checksum'];
  if (typeof expected !== 'string' || expected.toLowerCase() !== checksum)
    throw new Error('checksum mismatch');
  const version = document['PostgreSQL-Backup-Manifest-Version'];
  if (version !== 1 && version !== 2) throw new Error(`version ${String(version)} is unknown`);
  const systemIdentifier = document['System-Identifier'];
  return {
    systemIdentifier:
      systemIdentifier === undefined ? undefined : BigInt(systemIdentifier as number | bigint),
    files: list(document.Files).map(readFile),
    walRanges: list(document['WAL-Ranges']).map(readWalRange),
  };
}

function formatFile(file: ManifestFile): string {
  const path = hasRawBytes(file.path)
    ? `"Encoded-Path": "${encodeName(file.path).toString('hex')}"`
    : `"Path": ${JSON.stringify(file.path)}`;
  const modified = file.modified.toISOString().slice(0, 19).replace('T', ' ');
  const checksum =
    file.crc32c === undefined
      ? ''
      : `, "Checksum-Algorithm": "CRC32C", "Checksum": "${formatCrc(file.crc32c)}"`;
  return `{ ${path}, "Size": ${file.size}, "Last-Modified": "${modified} GMT"${checksum} }`;
}

function formatWalRange(range: WalRange): string {
  const { timeline, startLsn, endLsn } = range;
  return `{ "Timeline": ${timeline}, "Start-LSN": "${formatLsn(startLsn)}", "End-LSN": "${formatLsn(endLsn)}" }`;
}

/** The checksum's bytes as they lie in memory of a little-endian server (pg_checksum_final). */
function formatCrc(crc: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(crc >>> 0);
  return bytes.toString('hex');
}

function readFile(value: unknown): ManifestFile {
  const item = record(value);
  const encoded = item['Encoded-Path'];
  const path = typeof encoded === 'string' ? decodeName(Buffer.from(encoded, 'hex')) : item.Path;
  const modified = new Date(String(item['Last-Modified']).replace(' GMT', 'Z').replace(' ', 'T'));
  if (typeof path !== 'string' || path === '') throw new Error('a file has no path');
  if (!Number.isSafeInteger(item.Size) || (item.Size as number) < 0) throw new Error(`${path} has no size`);
  const checksum = item['Checksum-Algorithm'] === 'CRC32C' ? String(item.Checksum) : undefined;
  if (checksum !== undefined && !/^[0-9a-f]{8}$/i.test(checksum))
    throw new Error(`${path} has a bad checksum`);
  const crc32c = checksum === undefined ? undefined : Buffer.from(checksum, 'hex').readUInt32LE();
  return { path, size: item.Size as number, modified, crc32c };
}

function readWalRange(value: unknown): WalRange {
  const item = record(value);
  const startLsn = parseLsn(String(item['Start-LSN']));
  const endLsn = parseLsn(String(item['End-LSN']));
  if (startLsn === undefined || endLsn === undefined || !Number.isSafeInteger(item.Timeline)) {
    throw new Error('a WAL range is malformed');
  }
  return { timeline: item.Timeline as number, startLsn, endLsn };
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('an object is missing');
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error('a list is missing');
  return value;
}
