import { PgarcError } from '../../errors.ts';
import type { ObjectStore } from '../../store/store.ts';
import { mapParallel } from '../map-parallel.ts';
import { type BackupContents, findParts } from './contents.ts';
import { extractInto, type KeptBack } from './extract.ts';
import type { Step } from './plan.ts';
import type { Progress } from './progress.ts';
import { readPart } from './read-part.ts';
import type { Tablespace } from './tablespaces.ts';
import type { Tree } from './tree.ts';

export interface RunDeps {
  store: ObjectStore;
  tree: Tree;
  /** Gets what is not written yet. */
  kept: KeptBack;
  progress: Progress;
}

export interface RunOptions {
  tablespaces: readonly Tablespace[];
  /** Parts read at the same time. */
  concurrency: number;
}

/**
 * Unpacks the backups of a chain, one after the other, each with its parts in parallel.
 * @throws PgarcError `object-missing`, `object-damaged`
 */
export async function runSteps(
  { store, tree, kept, progress }: RunDeps,
  steps: readonly Step[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const links = new Set(options.tablespaces.map(({ oid }) => `pg_tblspc/${oid}`));
  for (const step of steps) {
    const handler = extractInto(tree, step, links, kept);
    const count = (stored: number, plain: number) => progress.add(stored, plain);
    // Large ones first, so that no long one is left over at the end.
    const parts = step.parts.toSorted((a, b) => b.size - a.size);
    await mapParallel(
      parts,
      options.concurrency,
      (part, combined) => readPart(store, part, handler, count, combined),
      signal,
    );
    const missing = step.ledger.missing();
    if (missing.length > 0) throw await lacking(store, step.contents, missing, signal);
  }
}

/** Names the object that should have held what did not arrive. */
async function lacking(
  store: ObjectStore,
  contents: BackupContents,
  missing: readonly string[],
  signal: AbortSignal,
): Promise<PgarcError> {
  const keys = await findParts(store, contents.backup, new Set(missing), signal).catch(() => []);
  const present = new Set(contents.parts.map(({ key }) => key));
  const gone = keys.filter((key) => !present.has(key));
  const what = `${missing[0]}${missing.length > 1 ? ` and ${missing.length - 1} other files` : ''}`;
  if (gone.length > 0) {
    return new PgarcError(
      'object-missing',
      `${gone.join(', ')} is missing from the store, and with it ${what}`,
      {
        details: { key: gone[0], files: missing.slice(0, 100) },
      },
    );
  }
  const where = keys.length > 0 ? keys.join(', ') : `backup ${contents.backup.name}`;
  return new PgarcError('object-damaged', `${where} lacks ${what}`, {
    details: { key: keys[0], files: missing.slice(0, 100) },
  });
}

/** Bytes that the steps will read, plain; undefined where that can only be guessed. */
export function totalBytes(steps: readonly Step[]): number | undefined {
  let sum = 0;
  for (const { contents, parts } of steps) {
    const size = contents.backup.uncompressedSize;
    if (size === undefined || parts.length !== contents.parts.length) return undefined;
    sum += contents.manifest?.files.reduce((bytes, file) => bytes + file.size, 0) ?? size;
  }
  return sum;
}
