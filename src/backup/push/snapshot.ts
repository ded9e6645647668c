import { type BigIntStats, closeSync, fstatSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeFile, fillSync, openFile, openFileSync, readFully, statFile } from './file-io.ts';

/** What a file held while it was open. */
export interface Snapshot {
  stats: BigIntStats;
  /** Bytes read; undefined when there are more than the target holds. */
  length: number | undefined;
  /** False when somebody wrote to the file meanwhile, or a moment before. */
  isSettled: boolean;
}

/** A file written to more recently may be half of what it is about to be, ms. */
const QUIET = 50;
/** Before a file is read again that was being written to, ms. */
const PAUSES = [60, 100, 200];

/**
 * Reads a file that others change as it is at one moment: again while somebody writes to it, a few times.
 * After that it is taken for one that is only ever appended to, of which every beginning is right.
 * @param isSlow leaves the reading to the thread pool
 * @returns undefined when it has vanished
 */
export async function readSettled(
  path: string | Buffer,
  target: Buffer,
  isSlow: boolean,
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  let found = isSlow ? await readSnapshot(path, target) : readSnapshotSync(path, target);
  for (const pause of PAUSES) {
    if (found === undefined || found.isSettled) break;
    await sleep(pause, undefined, { signal });
    found = await readSnapshot(path, target);
  }
  return found;
}

async function readSnapshot(path: string | Buffer, target: Buffer): Promise<Snapshot | undefined> {
  const file = await openFile(path);
  if (file === undefined) return undefined;
  try {
    const before = await statFile(file);
    if (before.size > target.length) return tooLarge(before);
    const length = await readFully(file, target.subarray(0, Number(before.size)), 0);
    return judge(before, length, await statFile(file));
  } finally {
    await closeFile(file);
  }
}

function readSnapshotSync(path: string | Buffer, target: Buffer): Snapshot | undefined {
  const file = openFileSync(path);
  if (file === undefined) return undefined;
  try {
    const before = fstatSync(file, { bigint: true });
    if (before.size > target.length) return tooLarge(before);
    const length = fillSync(file, target.subarray(0, Number(before.size)));
    return judge(before, length, fstatSync(file, { bigint: true }));
  } finally {
    closeSync(file);
  }
}

function tooLarge(stats: BigIntStats): Snapshot {
  return { stats, length: undefined, isSettled: true };
}

function judge(before: BigIntStats, length: number, after: BigIntStats): Snapshot {
  const isSame = after.size === BigInt(length) && after.mtimeNs === before.mtimeNs;
  const age = Math.abs(Date.now() - Number(after.mtimeNs / 1_000_000n));
  return { stats: before, length, isSettled: isSame && age >= QUIET };
}
