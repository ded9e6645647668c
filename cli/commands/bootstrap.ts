import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseTarget, parseTargetTimeline } from '../../src/backup/fetch/target-options.ts';
import { PgarcError } from '../../src/errors.ts';
import type { ClusterOptions } from '../../src/replica/bootstrap-cluster.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';
import { findLauncher } from '../launcher.ts';
import {
  addTablespaceOptions,
  addTargetOptions,
  type RestoreOptions,
  tellOfSecrets,
} from '../restore-options.ts';
import { collectSettingOptions } from '../setting-options.ts';

interface Options extends RestoreOptions {
  datadir?: string;
  backup: string;
  raw?: boolean;
  sourceScope?: string;
  sourceStore?: string;
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      "Restores a whole cluster for Patroni's custom bootstrap: the same scope after it was lost, to its newest moment or to a target, or a clone of another scope's archive, to which nothing is ever written. Writes recovery settings for Patroni's keep_existing_recovery_conf, or none with --raw, for its recovery_conf.",
    exitCodes: [4, 5, 6, 7, 8, 9],
    examples: [
      'pgarc bootstrap --scope=main --datadir=/data',
      "pgarc bootstrap --scope=main --datadir=/data --target-time '2026-11-21 12:00:00+00'",
      'pgarc bootstrap --scope=copy --datadir=/data --source-scope=main',
    ],
  });
  command
    .option('--datadir <DIR>', 'data directory to make (default: the pgdata setting)')
    .option(
      '--source-scope <SCOPE>',
      "clone this scope's archive: the store, with its name instead of the own one",
    )
    .option('--source-store <STORE>', 'clone the archive in this store')
    .option('--backup <NAME>', 'name of a backup, or LATEST', 'LATEST');
  addTargetOptions(command, 'promote');
  addTablespaceOptions(command)
    .option('--raw', 'no recovery settings: Patroni writes its recovery_conf; a target chooses the backup')
    .option('--json', 'one JSON document')
    .action(async (options: Options) => {
      const { source, request, store, own, secrets } = await prepare(command, context, options);
      const { bootstrapCluster } = await import('../../src/replica/bootstrap-cluster.ts');
      const deps = { store, own, emit: context.emit };
      const from = source.isClone ? `cloning ${store.location}` : `rebuilding from ${store.location}`;
      context.emit({ type: 'phase', operation: 'restore', text: from });
      const result = await bootstrapCluster(deps, request, context.signal);
      // Patroni takes every exit code but 0 for a failure, so a warning is only told.
      for (const message of result.warnings) context.emit({ type: 'warning', message });
      if (secrets.length > 0 && !options.raw) tellOfSecrets(context, secrets);
      const report = await import('../fetch-report.ts');
      if (options.json) context.printJson(report.toDocument(result));
      else context.stdout.write(report.renderRestored(result));
    });
}

async function prepare(command: Command, context: CliContext, options: Options) {
  const own = await context.resolveSettings({ pgdata: options.datadir });
  for (const message of own.warnings) context.emit({ type: 'warning', message });
  const { settings } = own;
  if (settings.pgdata === undefined) {
    throw new PgarcError('usage', 'the data directory to make is missing', { hint: 'Give --datadir.' });
  }
  const { chooseSource } = await import('../../src/replica/source.ts');
  const source = chooseSource({
    ownStore: settings.store,
    ownScope: settings.scope,
    sourceStore: options.sourceStore,
    sourceScope: options.sourceScope,
  });
  // Flags, so that restore_command names them: in the server's environment is the clone's own store.
  const given = { pgdata: options.datadir, store: source.store, scope: options.sourceScope };
  const resolved = source.store === undefined ? own : await context.resolveSettings(given);
  const { chooseRestoreFlags } = await import('../../src/backup/fetch/restore-flags.ts');
  const { formatRestoreCommand } = await import('../../src/backup/fetch/recovery-settings.ts');
  const { parseTablespaceMap } = await import('../../src/backup/fetch/tablespaces.ts');
  const { flags, secrets } = chooseRestoreFlags(resolved, collectSettingOptions(command).envdir);
  const request: ClusterOptions = {
    pgdata: resolve(settings.pgdata),
    name: options.backup,
    target: parseTarget(options),
    timeline: parseTargetTimeline(options.targetTimeline),
    mode: options.raw ? 'raw' : 'recovery',
    action: options.targetAction,
    tablespaces: { map: parseTablespaceMap(options.tablespaceMap ?? []), root: options.tablespaceRoot },
    restoreCommand: formatRestoreCommand([findLauncher()], flags),
    concurrency: settings.downloadConcurrency,
    isClone: source.isClone,
  };
  return {
    source,
    request,
    secrets,
    store: await context.openStore(resolved.settings),
    own: source.isClone && settings.store !== undefined ? await context.openStore(settings) : undefined,
  };
}
