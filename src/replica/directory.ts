import { randomUUID } from 'node:crypto';
import { chown, type FileHandle, lstat, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Claim, claimDirectory, requireEmptyPgdata } from '../backup/fetch/destination.ts';
import { chooseOwner, type Owner } from '../backup/fetch/owner.ts';
import { CONTROL_FILE } from '../backup/fetch/plan.ts';
import { syncPath } from '../backup/fetch/sync.ts';
import type { Tablespace } from '../backup/fetch/tablespaces.ts';
import { holdLock } from '../daemon/lock.ts';
import { isPgarcError, PgarcError } from '../errors.ts';
import { emptyExcept, formatMark, MARK, parseMark } from './mark.ts';

/** A data directory that this process alone restores into. */
export interface HeldDirectory {
  /** True when what an earlier attempt had left was removed. */
  readonly hadRemains: boolean;
  /** Puts tablespaces on the mark, before anything is written to them. */
  note(tablespaces: readonly Tablespace[]): Promise<void>;
  /** The restore is whole and durable: takes the marks away. */
  finish(): Promise<void>;
  /** Leaves everything as it was found: empty, or not there. */
  abandon(): Promise<void>;
}

/**
 * Tells whether a restore may begin here, and changes nothing.
 * @throws PgarcError `directory-not-empty`, `server-running`, `refused`
 */
export async function requireFreeDirectory(pgdata: string): Promise<void> {
  const entries = await readdir(pgdata).catch(() => []);
  // A mark alone is that of an attempt that was killed before it did anything.
  if (entries.length === 1 && entries[0] === MARK) return;
  const mark = await readFile(join(pgdata, MARK), 'utf8').catch(() => undefined);
  if (parseMark(mark ?? '') === undefined || (await isWhole(pgdata))) await requireEmptyPgdata(pgdata);
}

/**
 * Takes a data directory for a restore: one that is absent, empty, or holds nothing but what an attempt of pgarc
 * left that was killed. Such an attempt is known by its mark, which is there before the first file and which its
 * process keeps locked, and by the lack of pg_control, which is written last: a directory with pg_control is whole
 * and may be in use, whatever else it holds, and is never emptied.
 * @throws PgarcError `directory-not-empty`, `server-running`, `refused`; `locked` while another process restores
 */
export async function holdDirectory(pgdata: string): Promise<HeldDirectory> {
  await requireFreeDirectory(pgdata);
  const owner = await chooseOwner(pgdata);
  const claim = await claimDirectory(pgdata, owner);
  const handle = await lockMark(pgdata);
  try {
    await give(join(pgdata, MARK), owner);
    const mark = parseMark(await handle.readFile('utf8'));
    const others = (await readdir(pgdata)).filter((entry) => entry !== MARK);
    const hadRemains = others.length > 0;
    // Something came while this process took the directory.
    if (hadRemains && (mark === undefined || (await isWhole(pgdata)))) {
      if (mark === undefined) await rm(join(pgdata, MARK), { force: true });
      await requireEmptyPgdata(pgdata);
    }
    for (const place of mark?.tablespaces ?? []) await emptyTablespace(place, mark?.id ?? '');
    await emptyExcept(pgdata, MARK);
    return await begin(pgdata, owner, claim, handle, hadRemains);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function begin(
  pgdata: string,
  owner: Owner | undefined,
  claim: Claim,
  handle: FileHandle,
  hadRemains: boolean,
): Promise<HeldDirectory> {
  const id = randomUUID();
  const places: Claim[] = [];
  await handle.truncate(0);
  await handle.appendFile(formatMark({ id }));
  await handle.sync();
  await syncPath(pgdata);
  return {
    hadRemains,
    async note(tablespaces) {
      if (tablespaces.length === 0) return;
      await handle.appendFile(formatMark({ tablespaces: tablespaces.map(({ to }) => to) }));
      await handle.sync();
      for (const { to } of tablespaces) {
        places.push(await claimDirectory(to, owner));
        await writeMark(to, id, owner);
      }
    },
    async finish() {
      for (const { path } of places) {
        await rm(join(path, MARK), { force: true });
        await syncPath(path);
      }
      await rm(join(pgdata, MARK), { force: true });
      await syncPath(pgdata);
      await handle.close();
    },
    async abandon() {
      try {
        for (const place of places.reverse()) {
          await emptyTablespace(place.path, id);
          if (place.made !== undefined) await rm(place.made, { recursive: true, force: true });
        }
        // First of all, so that what is left of it is never taken for whole.
        await rm(join(pgdata, CONTROL_FILE), { force: true });
        await emptyExcept(pgdata, MARK);
        await rm(join(pgdata, MARK), { force: true });
        if (claim.made !== undefined) await rm(claim.made, { recursive: true, force: true });
      } finally {
        await handle.close();
      }
    },
  };
}

/** @throws PgarcError `locked` */
async function lockMark(pgdata: string): Promise<FileHandle> {
  const path = join(pgdata, MARK);
  const busy = (cause?: unknown) =>
    new PgarcError('locked', `another pgarc restores into ${pgdata}`, {
      hint: 'Wait until it has ended, or end it.',
      cause,
    });
  const handle = await open(path, 'a+', 0o600);
  try {
    await holdLock(handle, path);
    const [held, there] = [await handle.stat(), await lstat(path).catch(() => undefined)];
    // The one that had the lock has ended, and its mark with it.
    if (held.ino !== there?.ino || held.dev !== there.dev) throw busy();
    return handle;
  } catch (error) {
    await handle.close();
    throw isPgarcError(error, 'locked') && error.cause === undefined ? busy(error) : error;
  }
}

/** Only what carries this restore's own mark: anything else that is there came from elsewhere. */
async function emptyTablespace(path: string, id: string): Promise<void> {
  const mark = await readFile(join(path, MARK), 'utf8').catch(() => undefined);
  if (parseMark(mark ?? '')?.id !== id) return;
  await emptyExcept(path, MARK);
  await rm(join(path, MARK), { force: true });
}

async function writeMark(directory: string, id: string, owner: Owner | undefined): Promise<void> {
  const path = join(directory, MARK);
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(formatMark({ id }));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await give(path, owner);
  await syncPath(directory);
}

async function give(path: string, owner: Owner | undefined): Promise<void> {
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

async function isWhole(pgdata: string): Promise<boolean> {
  return await lstat(join(pgdata, CONTROL_FILE)).then(
    () => true,
    () => false,
  );
}
