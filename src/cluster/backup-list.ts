import type { Backup } from '../backup/catalog.ts';
import { toDocument } from '../backup/catalog-json.ts';
import { formatWaleTable } from '../backup/catalog-wale.ts';
import { formatJson, parseJson } from '../json.ts';
import { parseLsn } from '../postgres/lsn.ts';

/**
 * Longest value that is written, bytes: etcd refuses requests beyond 1.5 MiB. That is the room for about 2,900
 * backups as JSON and 10,000 as WAL-E's table.
 */
const MAX_VALUE = 1_400_000;

/** A list of backups as etcd holds it. */
export interface StoredList {
  backups: Backup[];
  /** When it was read from the store. */
  readAt: Date;
  /** How many of the oldest were left out for want of room. */
  omitted: number;
}

/**
 * The list as JSON: `readAt`, `omitted` when it is not 0, and `backups` as `backup-list --json` shows them, without
 * what is null or follows from the rest. The oldest are left out when it would be too long.
 */
export function formatList(backups: readonly Backup[], readAt: Date, limit = MAX_VALUE): string {
  const { texts, omitted } = takeNewest(backups.map(formatBackup), limit - 200);
  const head = `{"readAt":${JSON.stringify(readAt.toISOString())}${omitted === 0 ? '' : `,"omitted":${omitted}`}`;
  return `${head},"backups":[${texts.join()}]}`;
}

/** WAL-E's table of the list. The oldest are left out when it would be too long. */
export function formatTable(
  backups: readonly Backup[],
  limit = MAX_VALUE,
): { text: string; omitted: number } {
  const [header = '', ...rows] = formatWaleTable(backups).split(/(?<=\r\n)/);
  const { texts, omitted } = takeNewest(rows, limit - header.length);
  return { text: header + texts.join(''), omitted };
}

/** Reads what `formatList` wrote. @returns undefined for anything else */
export function parseList(value: string): StoredList | undefined {
  try {
    // Only what users add can hold such numbers; to look at every value takes twice the time.
    const parse = /[[,:]-?[0-9]{16}/.test(value) ? parseJson : JSON.parse;
    const list = parse(value) as { readAt: string; omitted?: number; backups: unknown[] };
    const readAt = readDate(list.readAt);
    const { omitted = 0 } = list;
    return { readAt, omitted: Number(omitted), backups: list.backups.map(parseBackup) };
  } catch {
    return undefined;
  }
}

/** The list's text without the time it was read: what is compared before it is written anew. */
export function bodyOf(value: string): string {
  return value.replace(/^\{"readAt":"[^"]*"/, '');
}

/** As many of the last as fit. */
function takeNewest(texts: readonly string[], limit: number): { texts: readonly string[]; omitted: number } {
  let size = 0;
  for (let index = texts.length - 1; index >= 0; index--) {
    size += Buffer.byteLength(texts[index]!) + 1;
    if (size > limit) return { texts: texts.slice(index + 1), omitted: index + 1 };
  }
  return { texts, omitted: 0 };
}

function formatBackup(backup: Backup): string {
  const { durationMs, walStart, warnings, ...document } = toDocument(backup);
  const stored = { ...document, storedTime: backup.storedTime, deltaCount: backup.deltaCount, warnings };
  const entries = Object.entries(stored).filter(
    ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return formatJson(Object.fromEntries(entries));
}

function parseBackup(value: unknown): Backup {
  const stored = value as Record<string, unknown>;
  const { kind } = stored;
  if (kind !== 'full' && kind !== 'delta' && kind !== 'wal-e') throw new SyntaxError('no kind');
  const systemIdentifier = readText(stored.systemIdentifier);
  const finishLsn = readText(stored.finishLsn);
  return {
    name: required(readText(stored.name)),
    kind,
    startLsn: readLsn(stored.startLsn),
    finishLsn: finishLsn === undefined ? undefined : readLsn(finishLsn),
    timeline: required(readNumber(stored.timeline)),
    systemIdentifier: systemIdentifier === undefined ? undefined : BigInt(systemIdentifier),
    startTime: stored.startTime === undefined ? undefined : readDate(stored.startTime),
    finishTime: readDate(stored.finishTime),
    ...(stored.storedTime === undefined ? {} : { storedTime: readDate(stored.storedTime) }),
    uncompressedSize: readNumber(stored.size),
    storedSize: readNumber(stored.storedSize),
    dataSize: readNumber(stored.clusterSize),
    pgVersion: readNumber(stored.pgVersion),
    permanent: stored.permanent === true,
    hostname: readText(stored.hostname),
    dataDir: readText(stored.dataDirectory),
    parent: readText(stored.parent),
    fullName: readText(stored.full),
    deltaCount: readNumber(stored.deltaCount),
    userData: stored.userData,
    usable: stored.usable === true,
    warnings: Array.isArray(stored.warnings) ? stored.warnings.map(String) : [],
  };
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new SyntaxError('a field is missing');
  return value;
}

function readText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function readNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function readDate(value: unknown): Date {
  const date = new Date(required(readText(value)));
  if (Number.isNaN(date.getTime())) throw new SyntaxError('not a time');
  return date;
}

function readLsn(value: unknown): bigint {
  return required(parseLsn(required(readText(value))));
}
