import { lchown, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import { formatManifest, type ManifestSource } from '../format/manifest.ts';
import { toPath } from '../format/name-bytes.ts';
import { formatTablespaceMapFile, parseTablespaceMapFile } from '../format/tablespace-map.ts';
import { makeRequiredDirectories } from './directories.ts';
import { AUTO_CONF, type KeptBack } from './extract.ts';
import type { Owner } from './owner.ts';
import { BACKUP_LABEL, type Step, TABLESPACE_MAP } from './plan.ts';
import { applyRecoverySettings, type RecoverySettings } from './recovery-settings.ts';
import { syncDirectory, syncFile, syncTrees } from './sync.ts';
import type { Tablespace } from './tablespaces.ts';
import type { Tree } from './tree.ts';

export interface FinishOptions {
  tablespaces: readonly Tablespace[];
  /** Undefined: the directory is left as it was backed up. */
  recovery: { settings: RecoverySettings; signalFile: 'recovery.signal' | 'standby.signal' } | undefined;
  owner: Owner | undefined;
  /** Changes postgresql.auto.conf, before recovery settings are added. */
  editAutoConf?: (content: string) => string;
  /** Called when everything but pg_control is on disk. */
  whenSynced?: () => Promise<void>;
}

/**
 * Writes what was kept back, makes everything durable, and last of all pg_control: before that no server
 * starts in the directory, after it every file is on disk.
 */
export async function finishTree(
  tree: Tree,
  newest: Step,
  kept: KeptBack,
  options: FinishOptions,
  signal: AbortSignal,
): Promise<void> {
  const control = kept.files.get(CONTROL_FILE);
  if (control === undefined) throw incomplete(newest, CONTROL_FILE);
  const label = kept.files.get(BACKUP_LABEL);
  // WAL-E can back up a server that is down, which needs no label.
  if (label === undefined && newest.contents.backup.kind !== 'wal-e') throw incomplete(newest, BACKUP_LABEL);

  makeRequiredDirectories(tree, kept.rootMode ?? 0o700, (path) => newest.ledger.has(path));
  for (const { path, target } of kept.links) {
    await symlink(toPath(target), tree.locate(path));
    if (options.owner !== undefined) await lchown(tree.locate(path), options.owner.uid, options.owner.gid);
  }
  const fileMode = control.mode;
  if (label !== undefined) tree.writeSmallFile(BACKUP_LABEL, fileMode, label.content);
  const map = mapOf(kept.files.get(TABLESPACE_MAP)?.content, options.tablespaces);
  if (map !== undefined) tree.writeSmallFile(TABLESPACE_MAP, fileMode, map);
  const stored = kept.files.get(AUTO_CONF)?.content ?? Buffer.alloc(0);
  const { editAutoConf } = options;
  const conf = editAutoConf ? Buffer.from(editAutoConf(stored.toString('latin1')), 'latin1') : stored;
  tree.writeSmallFile(AUTO_CONF, fileMode, withRecovery(conf, options));
  if (options.recovery !== undefined)
    tree.writeSmallFile(options.recovery.signalFile, fileMode, Buffer.alloc(0));
  writeManifest(tree, newest, map, fileMode);

  await syncTrees([tree.root, ...options.tablespaces.map(({ to }) => to)], signal);
  signal.throwIfAborted();
  await options.whenSynced?.();
  tree.writeSmallFile(CONTROL_FILE, control.mode, control.content);
  await syncFile(join(tree.root, CONTROL_FILE));
  await syncDirectory(join(tree.root, dirname(CONTROL_FILE)));
}

/** The map as it was when it says where the tablespaces went, else one that does. */
function mapOf(stored: Buffer | undefined, tablespaces: readonly Tablespace[]): Buffer | undefined {
  if (stored === undefined) return undefined;
  const places = parseTablespaceMapFile(stored);
  if (tablespaces.every(({ oid, to }) => places.get(oid) === to)) return stored;
  return formatTablespaceMapFile(tablespaces.map(({ oid, to }) => [oid, to]));
}

function withRecovery(conf: Buffer, options: FinishOptions): Buffer {
  if (options.recovery === undefined) return conf;
  // Latin 1 keeps every byte of what is there; what is added is UTF-8 bytes.
  const added = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  const { restoreCommand, target } = options.recovery.settings;
  const settings = {
    ...options.recovery.settings,
    restoreCommand: added(restoreCommand),
    target: Object.fromEntries(Object.entries(target).map(([name, value]) => [name, added(value)])),
  };
  return Buffer.from(applyRecoverySettings(conf.toString('latin1'), settings), 'latin1');
}

/** Where a tablespace went is in tablespace_map, whose checksum changes with it. */
function writeManifest(tree: Tree, newest: Step, map: Buffer | undefined, mode: number): void {
  const { manifest, backup } = newest.contents;
  if (manifest === undefined) return;
  const files = manifest.files.map((file) =>
    file.path === TABLESPACE_MAP && map !== undefined
      ? { ...file, size: map.length, crc32c: crc32c(map) }
      : file,
  );
  const systemIdentifier = manifest.systemIdentifier ?? backup.systemIdentifier ?? 0n;
  const source: ManifestSource = {
    pgVersion: backup.pgVersion ?? 0,
    systemIdentifier,
    files,
    walRanges: manifest.walRanges,
  };
  tree.writeSmallFile('backup_manifest', mode, Buffer.concat([...formatManifest(source)]));
}

function incomplete(newest: Step, path: string): PgarcError {
  const { backup, parts } = newest.contents;
  const stem = path === CONTROL_FILE ? 'pg_control.tar' : 'backup_label.tar';
  const part = parts.find(({ name }) => name.startsWith(stem));
  return new PgarcError('object-missing', `${part?.key ?? `backup ${backup.name}`} does not hold ${path}`, {
    details: { key: part?.key, path },
  });
}
