import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { FetchOptions } from '../../src/backup/fetch/fetch.ts';
import type { RestoreFlags } from '../../src/backup/fetch/restore-flags.ts';
import { parseTarget, parseTargetTimeline } from '../../src/backup/fetch/target-options.ts';
import type { ResolvedSettings } from '../../src/config/resolve.ts';
import { EXIT_WARNINGS, PgarcError } from '../../src/errors.ts';
import { quoteForShell } from '../../src/report/shell.ts';
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
  standby?: boolean;
  raw?: boolean;
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Restores a backup into an empty directory and prepares recovery: to the newest moment in the archive, or to a target. With a target and LATEST the backup is the newest one that leads to it. Everything that can be refused is refused before anything is copied.',
    exitCodes: [3, 4, 5, 6, 7, 8, 9],
    examples: [
      'pgarc backup-fetch /var/lib/postgresql/15/main LATEST',
      "pgarc backup-fetch LATEST --target-time '2026-11-21 12:00:00+00'",
      'pgarc backup-fetch /new/data base_000000010000000000000002 --target immediate',
      'pgarc backup-fetch LATEST --standby --tablespace-map 16384=/ssd/ts1',
    ],
  });
  command
    .usage('[options] [PGDATA] <NAME|LATEST>')
    .argument('[PGDATA]', 'directory that is empty or absent (default: the pgdata setting)')
    .argument('[NAME]', 'name of a backup, or LATEST');
  addTargetOptions(command, 'pause').option('--standby', 'make a standby instead of ending recovery');
  addTablespaceOptions(command)
    .option('--raw', 'only the files: no recovery settings and no signal file')
    .option('--json', 'one JSON document')
    .action(async (first: string | undefined, second: string | undefined, options: Options) => {
      const request = await readRequest(command, context, first, second, options);
      const { settings } = request;
      const store = await context.openStore(settings);
      const { fetchBackup } = await import('../../src/backup/fetch/fetch.ts');
      const deps = { store, emit: context.emit };
      const result = await fetchBackup(deps, request.options, context.signal);
      for (const message of result.warnings) context.emit({ type: 'warning', message });
      if (request.secrets.length > 0 && result.signalFile !== undefined)
        tellOfSecrets(context, request.secrets);
      if (result.warnings.length > 0) context.setExitCode(EXIT_WARNINGS);
      const report = await import('../fetch-report.ts');
      if (options.json) context.printJson(report.toDocument(result));
      else {
        const { findAccount } = await import('../../src/postgres/account.ts');
        const account = await findAccount(result.pgdata);
        context.stdout.write(report.renderFetch(result, request.options, account));
      }
    });
}

async function readRequest(
  command: Command,
  context: CliContext,
  first: string | undefined,
  second: string | undefined,
  options: Options,
) {
  const name = second ?? first;
  if (name === undefined) {
    throw new PgarcError('usage', 'the name of a backup is missing', {
      hint: 'Give a name of `pgarc backup-list`, or LATEST.',
    });
  }
  if (second === undefined && name.includes('/')) {
    throw new PgarcError('usage', `the name of a backup is missing: ${name} is a directory`, {
      hint: `Write the name behind it: pgarc backup-fetch ${quoteForShell(name)} LATEST`,
    });
  }
  const given = second === undefined ? undefined : first;
  const resolved = await context.resolveSettings({ pgdata: given });
  for (const message of resolved.warnings) context.emit({ type: 'warning', message });
  const { settings } = resolved;
  if (settings.pgdata === undefined) {
    throw new PgarcError('usage', 'the directory to restore into is missing', {
      hint: 'Give it before the name, or set PGDATA.',
    });
  }
  const { parseTablespaceMap } = await import('../../src/backup/fetch/tablespaces.ts');
  const { flags, secrets } = await chooseFlags(command, resolved);
  const { formatRestoreCommand } = await import('../../src/backup/fetch/recovery-settings.ts');
  const request: FetchOptions = {
    pgdata: resolve(settings.pgdata),
    name,
    target: parseTarget(options),
    timeline: parseTargetTimeline(options.targetTimeline),
    mode: chooseMode(options),
    action: options.targetAction,
    tablespaces: { map: parseTablespaceMap(options.tablespaceMap ?? []), root: options.tablespaceRoot },
    restoreCommand: formatRestoreCommand([findLauncher()], flags),
    concurrency: settings.downloadConcurrency,
  };
  if (request.mode === 'raw' && request.target.kind !== 'none') {
    throw new PgarcError('usage', '--raw writes no recovery settings, so it cannot have a target');
  }
  return { settings, options: request, secrets };
}

function chooseMode(options: Options): FetchOptions['mode'] {
  if (options.raw && options.standby) {
    throw new PgarcError('usage', '--raw and --standby contradict each other: give one of them');
  }
  return options.raw ? 'raw' : options.standby ? 'standby' : 'recovery';
}

async function chooseFlags(command: Command, resolved: ResolvedSettings): Promise<RestoreFlags> {
  const { chooseRestoreFlags } = await import('../../src/backup/fetch/restore-flags.ts');
  return chooseRestoreFlags(resolved, collectSettingOptions(command).envdir);
}
