import { randomUUID } from 'node:crypto';
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import { quoteForShell } from '../../report/shell.ts';
import { isMissing } from '../../system/file-error.ts';
import { inspectDirectory, refuseOccupied } from './destination.ts';
import { Held, type HeldDirectory } from './held.ts';
import { emptyDirectory, listBesideMark, type Mark } from './mark.ts';
import { chooseOwner } from './owner.ts';
import { leaveDirectory, markOf, readMark, requireUntaken, takeDirectory, writeMark } from './taken.ts';

/** What becomes of what a restore left that was killed: it is removed, or it stays and is a reason to refuse. */
export type Remains = 'remove' | 'refuse';

/**
 * Tells whether a restore may begin here, and changes nothing.
 * @throws PgarcError `directory-not-empty`, `server-running`, `refused`; `locked` while another process restores
 */
export async function requireFreeDirectory(pgdata: string, remains: Remains): Promise<void> {
  if ((await inspectDirectory(pgdata)) === 'absent') return;
  // A mark alone is that of an attempt that has not done anything yet.
  if ((await listBesideMark(pgdata)).length === 0) return;
  const mark = await readMark(pgdata);
  if (mark === undefined || (await isWhole(pgdata))) throw await refuseOccupied(pgdata);
  await requireUntaken(pgdata);
  if (remains === 'refuse') throw await refuseRemains(pgdata, mark);
}

/**
 * Takes a data directory for a restore: one that is absent, empty, or (with `remove`) holds nothing but what an
 * attempt of pgarc left that was killed. Such an attempt is known by its mark, which is there before the first file
 * and which its process keeps locked, and by the lack of pg_control, which is written last: a directory with
 * pg_control is whole and may be in use, whatever else it holds, and is never emptied.
 * @throws PgarcError `directory-not-empty`, `server-running`, `refused`; `locked` while another process restores
 */
export async function holdDirectory(pgdata: string, remains: Remains): Promise<HeldDirectory> {
  await requireFreeDirectory(pgdata, remains);
  const owner = await chooseOwner(pgdata);
  const taken = await takeDirectory(pgdata, owner);
  const { mark, isOccupied } = taken;
  try {
    // Something came while this process took the directory.
    if (isOccupied && (mark === undefined || (await isWhole(pgdata)))) throw await refuseOccupied(pgdata);
    if (isOccupied && mark !== undefined && remains === 'refuse') throw await refuseRemains(pgdata, mark);
    if (remains === 'remove') await removeRemains(pgdata, mark);
    const id = randomUUID();
    await writeMark(taken, id);
    return new Held(taken, id, owner, isOccupied);
  } catch (error) {
    await leaveDirectory(taken).catch(() => undefined);
    throw error;
  }
}

/** Only what carries the mark of the same attempt: anything else that is there came from elsewhere. */
async function hasMark(directory: string, id: string | undefined): Promise<boolean> {
  const mark = await readMark(directory);
  return mark !== undefined && mark.id === id;
}

async function removeRemains(pgdata: string, mark: Mark | undefined): Promise<void> {
  for (const place of mark?.tablespaces ?? []) {
    if (!(await hasMark(place, mark?.id))) continue;
    await emptyDirectory(place);
    await rm(markOf(place), { force: true });
  }
  await emptyDirectory(pgdata);
}

async function refuseRemains(pgdata: string, mark: Mark): Promise<PgarcError> {
  const places = [pgdata];
  for (const place of mark.tablespaces) if (await hasMark(place, mark.id)) places.push(place);
  return new PgarcError('directory-not-empty', `${pgdata} is not empty: a restore into it was killed`, {
    hint: `Nothing in it is whole. Remove what it left and restore again: rm -r ${places.map(quoteForShell).join(' ')}`,
  });
}

async function isWhole(pgdata: string): Promise<boolean> {
  try {
    await lstat(join(pgdata, CONTROL_FILE));
    return true;
  } catch (error) {
    // Any other error says nothing, least of all that it may be emptied.
    if (isMissing(error)) return false;
    throw error;
  }
}
