import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { messageOf, PgarcError } from '../../errors.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { isAlive } from '../../system/process.ts';
import { backupOfSentinelKey, backupPrefix, sentinelKey } from '../format/keys.ts';

/**
 * A claim says that a backup of this name is being made. It is created only if absent, so two hosts never
 * write into one backup, and it is what is left of a process that was killed: then nothing but these
 * objects tells that the parts without a sentinel were pgarc's own. Claims lie apart, so that one short
 * listing finds them all.
 */
const CLAIMS = 'pgarc/running/';

/** A claim is renewed this often, ms. */
const RENEWAL = 3_600_000;
/** Not renewed for so long, it is dead for certain, ms. */
const DEAD_AFTER = 24 * 3_600_000;

interface ClaimText {
  token: string;
  hostname: string;
  pid: number;
  dataDir: string;
  systemIdentifier: string;
  startTime: string;
}

export interface ClaimOwner {
  dataDir: string;
  systemIdentifier: bigint;
}

export interface Claim {
  readonly backup: string;
  /** @throws PgarcError `failed` when another has taken the name over */
  confirm(signal: AbortSignal): Promise<void>;
  /** Removes the claim, and before that all that was stored for the backup when it has no sentinel. */
  abandon(signal: AbortSignal): Promise<void>;
  /** Removes the claim of a backup that is complete. */
  finish(signal: AbortSignal): Promise<void>;
}

/** Claims a name. @returns undefined when it is taken: a backup, a claim, or foreign objects exist */
export async function claimBackup(
  store: ObjectStore,
  backup: string,
  owner: ClaimOwner,
  signal: AbortSignal,
): Promise<Claim | undefined> {
  const text: ClaimText = {
    token: randomUUID(),
    hostname: hostname(),
    pid: process.pid,
    dataDir: owner.dataDir,
    systemIdentifier: String(owner.systemIdentifier),
    startTime: new Date().toISOString(),
  };
  const key = claimKey(backup);
  const body = Buffer.from(`${JSON.stringify(text)}\n`);
  if ((await store.putIfAbsent(key, body, { signal })) === 'exists') {
    // A repeat after a lost answer finds its own object.
    if (!(await store.get(key, { signal }))?.equals(body)) return undefined;
  }
  if (await isTaken(store, backup, signal)) {
    await store.delete([key], { signal });
    return undefined;
  }
  // A failed renewal is made up for by the next one, long before the claim counts as dead.
  const renewal = setInterval(() => void store.put(key, body).catch(() => undefined), RENEWAL);
  renewal.unref();
  return {
    backup,
    async confirm(confirmSignal) {
      const found = await store.get(key, { signal: confirmSignal });
      if (found?.equals(body)) return;
      throw new PgarcError('failed', `another process has taken the backup ${backup} over`, {
        hint: 'Take the backup again.',
      });
    },
    async abandon(abandonSignal) {
      clearInterval(renewal);
      await removeUnfinished(store, backup, abandonSignal);
    },
    async finish(finishSignal) {
      clearInterval(renewal);
      await store.delete([key], { signal: finishSignal });
    },
  };
}

/**
 * Removes what dead processes left: claims that this very server made, whose backups cannot run because the
 * caller holds the server's lock, and claims not renewed for a day. Objects without a claim are never
 * touched: they may be another tool's, on its way.
 * @returns names of the backups removed
 */
export async function sweepClaims(
  store: ObjectStore,
  owner: ClaimOwner,
  emit: Emit,
  signal: AbortSignal,
): Promise<string[]> {
  const removed: string[] = [];
  for await (const { key, modified } of store.list(CLAIMS, { signal })) {
    const backup = backupOfClaimKey(key);
    if (backup === undefined) continue;
    const isOld = Date.now() - modified.getTime() > DEAD_AFTER;
    if (!isOld && !(await isOurs(store, key, owner, signal))) continue;
    try {
      if (await removeUnfinished(store, backup, signal)) removed.push(backup);
    } catch (error) {
      signal.throwIfAborted();
      emit({
        type: 'warning',
        message: `could not remove the unfinished backup ${backup}: ${messageOf(error)}`,
      });
    }
  }
  return removed;
}

/** Names of backups that are being made, or were by a process that was killed: nobody has cleaned up yet. */
export async function listClaims(store: ObjectStore, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of store.list(CLAIMS, { signal })) names.push(backupOfClaimKey(key) ?? key);
  return names;
}

/** @returns true when there was anything but the claim */
async function removeUnfinished(store: ObjectStore, backup: string, signal: AbortSignal): Promise<boolean> {
  const keys: string[] = [];
  if ((await store.head(sentinelKey(backup), { signal })) === undefined) {
    for await (const { key } of store.list(backupPrefix(backup), { signal })) keys.push(key);
    if (keys.length > 0) await store.delete(keys, { signal });
  }
  // The claim last: should this end halfway, the rest is still known to be ours.
  await store.delete([claimKey(backup)], { signal });
  return keys.length > 0;
}

async function isTaken(store: ObjectStore, backup: string, signal: AbortSignal): Promise<boolean> {
  if ((await store.head(sentinelKey(backup), { signal })) !== undefined) return true;
  for await (const _ of store.list(backupPrefix(backup), { signal })) return true;
  return false;
}

async function isOurs(
  store: ObjectStore,
  key: string,
  owner: ClaimOwner,
  signal: AbortSignal,
): Promise<boolean> {
  const body = await store.get(key, { signal });
  if (body === undefined) return false;
  try {
    const text = JSON.parse(body.toString('utf8')) as Partial<ClaimText>;
    return (
      text.hostname === hostname() &&
      text.dataDir === owner.dataDir &&
      text.systemIdentifier === String(owner.systemIdentifier) &&
      typeof text.pid === 'number' &&
      (text.pid === process.pid || !isAlive(text.pid))
    );
  } catch {
    return false;
  }
}

function claimKey(backup: string): string {
  return `${CLAIMS}${backup}.json`;
}

function backupOfClaimKey(key: string): string | undefined {
  const name = key.slice(CLAIMS.length, -'.json'.length);
  return key.endsWith('.json') && backupOfSentinelKey(sentinelKey(name)) === name ? name : undefined;
}
