import { lchown, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PgarcError } from '../../errors.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import type { TargetRequest } from '../../wal/targets.ts';
import type { Moment } from '../../wal/window.ts';
import { type Backup, findBackup, listBackups } from '../catalog.ts';
import { toPath } from '../format/name-bytes.ts';
import { mapParallel } from '../map-parallel.ts';
import { resolveChain } from './chain.ts';
import { type Choice, chooseBackup } from './choose-backup.ts';
import { type BackupContents, readContents } from './contents.ts';
import { requireSpace } from './destination.ts';
import { findElsewhere, warnOfElsewhere } from './elsewhere.ts';
import { keepNothing } from './extract.ts';
import { findTablespaces } from './find-tablespaces.ts';
import { finishTree } from './finish.ts';
import type { HeldDirectory } from './held.ts';
import { holdDirectory, requireFreeDirectory } from './hold.ts';
import { chooseOwner, type Owner } from './owner.ts';
import { planSteps, type Step } from './plan.ts';
import { Progress } from './progress.ts';
import { runSteps, totalBytes } from './run-steps.ts';
import { spaceNeeds } from './space-needs.ts';
import { placeTablespaces, type Tablespace, type TablespaceOptions } from './tablespaces.ts';
import { Tree } from './tree.ts';
import { collectLeftOut, collectWarnings, warnOfForeignArchive } from './warnings.ts';

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
  /** Set by a caller that holds the directory already, and gives it away or cleans up after a failure. */
  holder?: Pick<HeldDirectory, 'note'>;
  /** Changes postgresql.auto.conf (latin1) before it is written. */
  editAutoConf?: (content: string) => string;
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
  /** What data_directory in the restored postgresql.conf names, when that is another directory. */
  configuredDataDirectory: string | undefined;
  /** What makes the restore less than perfect. */
  warnings: readonly string[];
}

/**
 * Restores a backup into an empty directory, which is this process's alone from the first byte on. Everything
 * that can be refused is refused before a byte is copied; when it fails later, what it made is removed again.
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
  emit({ type: 'phase', operation: 'restore', text: 'reading the catalog' });
  const backups = await listBackups(store, signal);
  // Before the directory: who mistyped the name may not have meant the directory of the settings, either.
  findBackup(backups, options.name);
  if (options.holder === undefined) await requireFreeDirectory(pgdata, 'refuse');
  const { backup, reachable, warnings } = await choose(store, backups, options, signal);
  const chain = await mapParallel(
    resolveChain(backups, backup),
    options.concurrency,
    (link, combined) => readContents(store, link, combined),
    signal,
  );
  const newest = chain.at(-1) as BackupContents;
  await warnOfForeignArchive(deps, backup, signal);
  const leftOut = await collectLeftOut(store, backup, signal);
  const steps = planSteps(chain);
  const found = await findTablespaces(store, newest, signal);
  const tablespaces = await placeTablespaces(found, options.tablespaces, pgdata);
  await requireSpace(spaceNeeds(newest, tablespaces, pgdata));

  const owner = await chooseOwner(pgdata);
  const progress = new Progress(emit, 'restore', totalBytes(steps));
  const kept = keepNothing();
  const signalFile = options.mode === 'raw' ? undefined : (`${options.mode}.signal` as const);
  const own = options.holder === undefined ? await holdDirectory(pgdata, 'refuse') : undefined;
  try {
    await (options.holder ?? own)?.note(tablespaces);
    const tree = await makeTree(pgdata, tablespaces, owner);
    emit({ type: 'phase', operation: 'restore', text: `restoring ${backup.name} into ${pgdata}` });
    const { concurrency } = options;
    await runSteps({ store, tree, kept, progress }, steps, { tablespaces, concurrency }, signal);
    dressTablespaces(tablespaces, owner, kept.rootMode);
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
              isStandby: options.mode === 'standby',
            },
          };
    const { editAutoConf } = options;
    const finishOptions = {
      ...{ tablespaces, recovery, owner },
      ...(editAutoConf && { editAutoConf }),
      // Before pg_control is there, so that a directory in which a server starts has no mark.
      ...(own && { whenSynced: () => own.unmark() }),
    };
    await finishTree(tree, steps.at(-1) as Step, kept, finishOptions, signal);
    await own?.finish();
  } catch (error) {
    await own?.abandon(emit);
    throw error;
  }
  const elsewhere = await findElsewhere(pgdata);
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
    configuredDataDirectory: elsewhere,
    warnings: [
      ...[...warnings, ...leftOut, ...collectWarnings(newest, kept, progress, owner)],
      ...(elsewhere === undefined ? [] : [warnOfElsewhere(pgdata, elsewhere)]),
    ],
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

/** Sets the directories' modes and makes the tablespaces' symlinks. */
async function makeTree(
  pgdata: string,
  tablespaces: readonly Tablespace[],
  owner: Owner | undefined,
): Promise<Tree> {
  const tree = new Tree(pgdata, owner);
  tree.makeDirectory('', 0o700);
  if (tablespaces.length > 0) tree.makeDirectory('pg_tblspc', 0o700);
  for (const { oid, to } of tablespaces) {
    new Tree(to, owner).makeDirectory('', 0o700);
    const link = join(pgdata, 'pg_tblspc', oid);
    await symlink(toPath(to), link);
    if (owner !== undefined) await lchown(link, owner.uid, owner.gid);
  }
  return tree;
}

/** Gives tablespaces' directories, which no backup has an entry of, the data directory's mode, as PostgreSQL does. */
function dressTablespaces(
  tablespaces: readonly Tablespace[],
  owner: Owner | undefined,
  mode: number | undefined,
): void {
  if (mode === undefined) return;
  for (const { to } of tablespaces) new Tree(to, owner).makeDirectory('', mode);
}

function requireUsable(backup: Backup): Backup {
  if (backup.usable) return backup;
  throw new PgarcError(
    'object-damaged',
    `backup ${backup.name} cannot be used: ${backup.warnings.join('; ')}`,
  );
}
