import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { PgarcError } from '../../errors.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import type { ServerFacts } from '../../postgres/server.ts';
import type { ObjectStore } from '../../store/store.ts';
import { compareWithStored } from '../../wal/compare.ts';
import { findWalKeys } from '../../wal/read-object.ts';
import { formatSegmentName, type Segment, segmentStart } from '../../wal/segment.ts';
import { openSource, type WalSource } from '../../wal/source.ts';
import { listBackups } from '../catalog.ts';

export interface OwnSegmentDeps {
  store: ObjectStore;
  facts: Pick<ServerFacts, 'segmentSize'>;
  /** The server's data directory. */
  pgdata: string;
}

/**
 * Compares what the archive has of a segment with the server's own file in pg_wal. The name alone proves
 * nothing: a copy of the cluster writes segments of the same names, with the same system identifier.
 * @param end only what lies before it is compared: the server may not have the rest
 * @returns false when the server has the file no longer, which is so only once its archiver was done with it
 * @throws PgarcError `failed` when they differ, `wal-conflict` when what is stored cannot be read
 */
export async function isOwnSegment(
  deps: OwnSegmentDeps,
  segment: Segment,
  end: Lsn,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, facts, pgdata } = deps;
  const name = formatSegmentName(segment, facts.segmentSize);
  const path = join(pgdata, 'pg_wal', name);
  let source: WalSource;
  try {
    source = await openSource(path);
  } catch {
    return false;
  }
  try {
    const limit = end - segmentStart(segment, facts.segmentSize);
    let isCompared = false;
    for (const key of await findWalKeys(store, name, signal)) {
      const found = await compareWithStored(store, key, source, signal);
      if (found === undefined) continue;
      isCompared = true;
      const { firstDifference } = found;
      if (firstDifference === undefined || firstDifference >= limit) continue;
      // The server may have made the file one of a later segment meanwhile.
      if (!(await isStillThere(path, source))) return false;
      throw await describeForeign(deps, name, `differs from ${path} from byte ${firstDifference} on`, signal);
    }
    return isCompared;
  } finally {
    await source.handle.close();
  }
}

/**
 * The error of a segment in the archive that is not the one that this server wrote.
 * @param what is wrong with it, as in "it `what`"
 */
export async function describeForeign(
  { store, pgdata }: Pick<OwnSegmentDeps, 'store' | 'pgdata'>,
  segment: string,
  what: string,
  signal: AbortSignal,
): Promise<PgarcError> {
  const others = await findOthers(store, pgdata, signal);
  const who = others === undefined ? '' : `; ${others} stored backups there`;
  return new PgarcError(
    'failed',
    `${segment} in ${store.location} is another server's, not that of ${pgdata} on ${hostname()}: it ${what}${who}`,
    { hint: FOREIGN_HINT, details: { segment } },
  );
}

/** What to do where two servers archive under one prefix. */
export const FOREIGN_HINT =
  'A copy of this cluster archives under the same prefix, or this server was restored without a new timeline: set PGARC_STORE of one of the two to a prefix of its own, then take a backup there.';

async function isStillThere(path: string, { handle }: WalSource): Promise<boolean> {
  const [now, opened] = await Promise.all([stat(path).catch(() => undefined), handle.stat()]);
  return now?.ino === opened.ino;
}

/** Who else has stored backups, as the newest of another host or data directory tells it. */
async function findOthers(
  store: ObjectStore,
  pgdata: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const other = (await listBackups(store, signal)).findLast(
      (backup) =>
        backup.dataDir !== undefined && (backup.dataDir !== pgdata || backup.hostname !== hostname()),
    );
    return other && `${other.dataDir}${other.hostname === undefined ? '' : ` on ${other.hostname}`}`;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
