import { lchown, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PgarcError } from '../../errors.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { readIdentity } from '../../wal/identity.ts';
import type { TargetRequest } from '../../wal/targets.ts';
import type { Moment } from '../../wal/window.ts';
import { type Backup, findBackup, listBackups } from '../catalog.ts';
import { mapParallel } from '../map-parallel.ts';
import { resolveChain } from './chain.ts';
import { type Choice, chooseBackup } from './choose-backup.ts';
import { type BackupContents, findParts, readContents } from './contents.ts';
import {
  type Claim,
  claimDirectory,
  releaseDirectory,
  requireEmptyPgdata,
  requireSpace,
  type SpaceNeed,
} from './destination.ts';
import { extractInto, type Held, holdNothing } from './extract.ts';
import { finishTree } from './finish.ts';
import { chooseOwner, type Owner } from './owner.ts';
import { planSteps, type Step, TABLESPACE_MAP } from './plan.ts';
import { Progress } from './progress.ts';
import { readPart } from './read-part.ts';
import {
  parseTablespaceMapFile,
  placeTablespaces,
  type Tablespace,
  type TablespaceOptions,
} from './tablespaces.ts';
import { Tree } from './tree.ts';

export interface FetchDeps {
  store: ObjectStore;
  emit: Emit;
}

export interface FetchOptions extends Omit<TargetRequest, 'backup'> {
  /** Absolute path of an empty or absent directory. */
  pgdata: string;
  /** A name or LATEST. */
  name: string;
  /** `raw` restores the files and says nothing about recovery. */
  mode: 'recovery' | 'standby' | 'raw';
  /** recovery_target_action; has no effect without a target. */
  action: 'pause' | 'promote' | 'shutdown';
  tablespaces: TablespaceOptions;
  restoreCommand: string;
  /** Parts read at the same time. */
  concurrency: number;
}

export interface FetchResult {
  backup: Backup;
  /** Names of the backups it is built on, the full one first. */
  basedOn: readonly string[];
  pgdata: string;
  tablespaces: readonly Tablespace[];
  /** recovery_target* as written; undefined with `raw`. */
  settings: Readonly<Record<string, string>> | undefined;
  signalFile: 'recovery.signal' | 'standby.signal' | undefined;
  /** The timeline recovery leads to, and the newest moment it can reach. */
  timeline: number;
  newest: Moment | undefined;
  /** False when only PostgreSQL can tell whether the target exists. */
  targetChecked: boolean;
  /** Bytes written and bytes read from the store. */
  bytes: number;
  storedBytes: number;
  durationMs: number;
  /** What makes the restore less than perfect. */
  warnings: readonly string[];
}

/**
 * Restores a backup into an empty directory. Everything that can be refused is refused before a byte is
 * copied; when it fails later, what it made is removed again.
 * @throws PgarcError, see docs/errors.md
 */
export async function fetchBackup(
  deps: FetchDeps,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  const started = performance.now();
  const { store, emit } = deps;
  const { pgdata } = options;
  await requireEmptyPgdata(pgdata);
  emit({ type: 'phase', operation: 'restore', text: 'reading the catalog' });
  const backups = await listBackups(store, signal);
  const { backup, reachable, warnings } = await choose(store, backups, options, signal);
  const chain = await mapParallel(
    resolveChain(backups, backup),
    options.concurrency,
    (link, combined) => readContents(store, link, combined),
    signal,
  );
  const newest = chain.at(-1) as BackupContents;
  await warnOfForeignArchive(deps, backup, signal);
  const steps = planSteps(chain);
  const found = await findTablespaces(store, newest, signal);
  const tablespaces = await placeTablespaces(found, options.tablespaces, pgdata);
  await requireSpace(spaceNeeds(newest, tablespaces, pgdata));

  const owner = await chooseOwner(pgdata);
  const progress = new Progress(emit, 'restore', totalBytes(steps));
  const held = holdNothing();
  const claims: Claim[] = [];
  const signalFile = options.mode === 'raw' ? undefined : (`${options.mode}.signal` as const);
  try {
    const tree = await claimTree(pgdata, tablespaces, owner, claims);
    emit({ type: 'phase', operation: 'restore', text: `restoring ${backup.name} into ${pgdata}` });
    await extractSteps(deps, tree, steps, tablespaces, held, progress, options.concurrency, signal);
    progress.tell();
    emit({ type: 'phase', operation: 'restore', text: 'making it durable' });
    const recovery =
      signalFile === undefined
        ? undefined
        : {
            signalFile,
            settings: {
              restoreCommand: options.restoreCommand,
              target: reachable?.settings ?? {},
              action: options.target.kind === 'none' ? undefined : options.action,
            },
          };
    await finishTree(tree, steps.at(-1) as Step, held, { tablespaces, recovery, owner }, signal);
  } catch (error) {
    for (const claim of claims.reverse()) await releaseDirectory(claim);
    throw error;
  }
  return {
    backup,
    basedOn: chain.slice(0, -1).map((link) => link.backup.name),
    pgdata,
    tablespaces,
    settings: signalFile === undefined ? undefined : (reachable?.settings ?? {}),
    signalFile,
    timeline: reachable?.timeline ?? backup.timeline,
    newest: reachable?.newest,
    targetChecked: reachable?.checked ?? true,
    bytes: progress.doneBytes,
    storedBytes: progress.storedBytes,
    durationMs: performance.now() - started,
    warnings: [...warnings, ...collectWarnings(newest, held, progress, owner)],
  };
}

/** With `raw` nobody is promised a recovery, so its WAL is not looked at. */
async function choose(
  store: ObjectStore,
  backups: readonly Backup[],
  options: FetchOptions,
  signal: AbortSignal,
): Promise<Choice> {
  if (options.mode === 'raw')
    return { backup: requireUsable(findBackup(backups, options.name)), reachable: undefined, warnings: [] };
  return await chooseBackup(store, backups, options.name, options, signal);
}

/** Tablespaces by the sentinel and, for what it lacks, by tablespace_map where that is in a tar of its own. */
async function findTablespaces(
  store: ObjectStore,
  newest: BackupContents,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map(newest.tablespaces);
  const part = newest.parts.find(({ name }) => name.startsWith('backup_label.tar'));
  if (part === undefined) return found;
  const nothing = () => undefined;
  const handler = {
    directory: nothing,
    symlink: nothing,
    async file(path: string, _entry: unknown, body: AsyncIterable<Buffer>) {
      if (path !== TABLESPACE_MAP) return;
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      for (const [oid, place] of parseTablespaceMapFile(Buffer.concat(chunks))) {
        if (!found.has(oid)) found.set(oid, place);
      }
    },
  };
  await readPart(store, part, handler, nothing, signal);
  return found;
}

/** Makes the directories and the tablespaces' symlinks. */
async function claimTree(
  pgdata: string,
  tablespaces: readonly Tablespace[],
  owner: Owner | undefined,
  claims: Claim[],
): Promise<Tree> {
  claims.push(await claimDirectory(pgdata, owner));
  const tree = new Tree(pgdata, owner);
  tree.makeDirectory('', 0o700);
  if (tablespaces.length > 0) tree.makeDirectory('pg_tblspc', 0o700);
  for (const { oid, to } of tablespaces) {
    claims.push(await claimDirectory(to, owner));
    new Tree(to, owner).makeDirectory('', 0o700);
    const link = join(pgdata, 'pg_tblspc', oid);
    await symlink(to, link);
    if (owner !== undefined) await lchown(link, owner.uid, owner.gid);
  }
  return tree;
}

async function extractSteps(
  { store }: FetchDeps,
  tree: Tree,
  steps: readonly Step[],
  tablespaces: readonly Tablespace[],
  held: Held,
  progress: Progress,
  concurrency: number,
  signal: AbortSignal,
): Promise<void> {
  const links = new Set(tablespaces.map(({ oid }) => `pg_tblspc/${oid}`));
  for (const step of steps) {
    const handler = extractInto(tree, step, links, held);
    const count = (stored: number, plain: number) => progress.add(stored, plain);
    // Large ones first, so that no long one is left over at the end.
    const parts = step.parts.toSorted((a, b) => b.size - a.size);
    await mapParallel(
      parts,
      concurrency,
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

/** What goes where, by the manifest; without one only the sum is known. */
function spaceNeeds(newest: BackupContents, tablespaces: readonly Tablespace[], pgdata: string): SpaceNeed[] {
  if (newest.manifest === undefined) {
    const bytes = newest.backup.dataSize ?? newest.backup.uncompressedSize ?? 0;
    return [{ paths: [pgdata, ...tablespaces.map(({ to }) => to)], bytes }];
  }
  const places = new Map(tablespaces.map(({ oid, to }) => [oid, to]));
  const sums = new Map<string, number>([[pgdata, 0]]);
  for (const { path, size } of newest.manifest.files) {
    const oid = path.startsWith('pg_tblspc/') ? (path.split('/')[1] ?? '') : '';
    const place = places.get(oid) ?? pgdata;
    sums.set(place, (sums.get(place) ?? 0) + size);
  }
  return [...sums].map(([place, bytes]) => ({ paths: [place], bytes }));
}

/** Undefined where it can only be guessed. */
function totalBytes(steps: readonly Step[]): number | undefined {
  let sum = 0;
  for (const { contents, parts } of steps) {
    const size = contents.backup.uncompressedSize;
    if (size === undefined || parts.length !== contents.parts.length) return undefined;
    sum += contents.manifest?.files.reduce((bytes, file) => bytes + file.size, 0) ?? size;
  }
  return sum;
}

function collectWarnings(
  newest: BackupContents,
  held: Held,
  progress: Progress,
  owner: Owner | undefined,
): string[] {
  const warnings: string[] = [...newest.backup.warnings];
  const [foreign] = held.foreign;
  if (foreign !== undefined) {
    warnings.push(
      `${held.foreign.length} files that the backup does not list were left out, the first is ${foreign}`,
    );
  }
  for (const { path, target } of held.links) {
    warnings.push(`${path} is a symlink to ${target}, whose contents are not in the backup`);
  }
  const { kind, uncompressedSize = 0 } = newest.backup;
  if (kind === 'wal-e' && progress.doneBytes < uncompressedSize) {
    warnings.push(
      `the backup holds ${progress.doneBytes} of the ${uncompressedSize} bytes that its sentinel tells; ` +
        'files that were dropped during the backup explain that, and so does a lost object',
    );
  }
  if (process.getuid?.() === 0 && owner === undefined) {
    warnings.push('the files belong to root, and PostgreSQL does not start as root: chown them to its user');
  }
  return warnings;
}

/** The WAL beside a backup of another cluster cannot be replayed onto it. */
async function warnOfForeignArchive(
  { store, emit }: FetchDeps,
  backup: Backup,
  signal: AbortSignal,
): Promise<void> {
  const owner = await readIdentity(store, signal);
  if (owner === undefined || backup.systemIdentifier === undefined || owner === backup.systemIdentifier)
    return;
  emit({
    type: 'warning',
    message: `the archive belongs to the cluster with system identifier ${owner}, and backup ${backup.name} is of ${backup.systemIdentifier}`,
  });
}

function requireUsable(backup: Backup): Backup {
  if (backup.usable) return backup;
  throw new PgarcError(
    'object-damaged',
    `backup ${backup.name} cannot be used: ${backup.warnings.join('; ')}`,
  );
}
