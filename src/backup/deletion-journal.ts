import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { PgarcError } from '../errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { backupPrefix } from './format/keys.ts';

/**
 * A journal says which backups `retain` or `delete` began to delete. It is stored before the first object goes and removed
 * after the last, so that the next run can tell parts without a sentinel that are left of a deletion from
 * those of a backup that another tool is making: the former are older than the journal, by the store's own
 * clock.
 */
const JOURNALS = 'pgarc/retention/';

/** A run that ended without removing its journal is not waited for longer, ms. */
const DEAD_AFTER = 24 * 3_600_000;

export interface Journal {
  key: string;
  /** When the store got it. */
  stored: Date;
  /** Names of backups. */
  backups: readonly string[];
}

/** Parts of a backup whose sentinel a deletion that was broken off has removed. */
export interface Leftover {
  name: string;
  /** Only what the store got before is part of it. */
  before: Date;
  objects: number;
  /** As stored. */
  bytes: number;
}

/** Reads all journals. One that cannot be read names no backup: what it meant stays. */
export async function listJournals(store: ObjectStore, signal: AbortSignal): Promise<Journal[]> {
  const journals: Journal[] = [];
  for await (const { key, modified } of store.list(JOURNALS, { signal })) {
    const body = await store.get(key, { signal });
    if (body !== undefined) journals.push({ key, stored: modified, backups: parseNames(body) });
  }
  return journals;
}

/** Stores a journal. @throws PgarcError `store-unreachable` also when the store does not have it then */
export async function writeJournal(
  store: ObjectStore,
  backups: readonly string[],
  signal: AbortSignal,
): Promise<Journal> {
  const key = `${JOURNALS}${randomUUID()}.json`;
  const text = { hostname: hostname(), pid: process.pid, time: new Date().toISOString(), backups };
  await store.put(key, Buffer.from(`${JSON.stringify(text)}\n`), { signal });
  // A listing tells times as exactly as the one they are compared with; HEAD cuts them to seconds.
  for await (const { modified } of store.list(key, { signal })) return { key, stored: modified, backups };
  throw new PgarcError(
    'store-unreachable',
    `${store.location} does not show ${key}, which it has just stored`,
  );
}

/** Whether a journal's run has ended, one way or another. */
export function isDead(journal: Journal, now: Date): boolean {
  return now.getTime() - journal.stored.getTime() > DEAD_AFTER;
}

/**
 * Finds what broken-off deletions left.
 * @param busy names of backups that are there, or are being made: nothing is left over of them
 */
export async function findLeftovers(
  store: ObjectStore,
  journals: readonly Journal[],
  busy: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Leftover[]> {
  const before = new Map<string, Date>();
  for (const { stored, backups: names } of journals) {
    for (const name of names) {
      if (!busy.has(name) && (before.get(name) ?? stored) <= stored) before.set(name, stored);
    }
  }
  const leftovers: Leftover[] = [];
  for (const [name, stored] of before) {
    const leftover = { name, before: stored, objects: 0, bytes: 0 };
    for await (const { size, modified } of store.list(backupPrefix(name), { signal })) {
      if (modified > stored) continue;
      leftover.objects++;
      leftover.bytes += size;
    }
    if (leftover.objects > 0) leftovers.push(leftover);
  }
  return leftovers;
}

function parseNames(body: Buffer): string[] {
  try {
    const { backups } = JSON.parse(body.toString('utf8')) as { backups?: unknown };
    return Array.isArray(backups) ? backups.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
