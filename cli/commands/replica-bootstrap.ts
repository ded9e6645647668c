import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Settings } from '../../src/config/settings.ts';
import { messageOf, PgarcError } from '../../src/errors.ts';
import type { ReplicaOptions, ReplicaResult } from '../../src/replica/bootstrap-replica.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';
import { addTablespaceOptions } from '../restore-options.ts';

interface Options {
  role?: string;
  datadir?: string;
  connstring?: string;
  retries?: string;
  dryRun?: boolean;
  json?: boolean;
  tablespaceMap?: string[];
  tablespaceRoot?: string;
  no_leader?: string | boolean;
  no_master?: string | boolean;
  threshold_megabytes?: string;
  threshold_backup_size_percentage?: string;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      "Makes a new replica's data directory from the newest backup when less WAL than the thresholds was written since; for Patroni's create_replica_methods. Says in one line what was decided and why. The directory must be empty, or hold what an attempt left that was killed.",
    onlyExitCodes: {
      0: 'restored; with --dry-run: it would be',
      1: 'not now, perhaps later: Patroni takes its next method',
      2: 'not from the archive, or wrong usage or settings: Patroni takes its next method',
    },
    examples: [
      "pgarc replica-bootstrap --scope=main --role=replica --datadir=/data --connstring='host=db1 user=replicator dbname=postgres'",
      "pgarc replica-bootstrap --datadir=/data --connstring='host=db1 user=replicator' --dry-run --json",
    ],
  });
  addOptions(command);
  command.action((options: Options) => bootstrap(command, context, options));
}

function addOptions(command: Command): void {
  command
    .option('--connstring <CONNINFO>', 'the leader, as libpq writes it; empty when there is none')
    .option('--datadir <DIR>', 'data directory to make (default: the pgdata setting)')
    .option('--role <ROLE>', 'what the server will be; Patroni says replica')
    .option('--retries <N>', 'how often a leader that does not answer is asked again (default: 1)')
    .option('--no_leader [1]', 'a leader that does not answer is no reason against the archive');
  addTablespaceOptions(command)
    .option('--dry-run', 'only decide, restore nothing')
    .option('--json', 'one JSON document with everything the decision was made from');
  // Names of Patroni's own script and control keys, which it passes on.
  for (const name of ['threshold_megabytes', 'threshold_backup_size_percentage']) {
    command.addOption(new Option(`--${name} <N>`).hideHelp());
  }
  for (const name of ['no_master', 'keep_data', 'no_params', 'use_iam']) {
    command.addOption(new Option(`--${name} [VALUE]`).hideHelp());
  }
  command.allowUnknownOption().allowExcessArguments();
}

interface ReplicaRequest {
  settings: Settings;
  request: ReplicaOptions;
}

async function bootstrap(command: Command, context: CliContext, options: Options): Promise<void> {
  const { refuseReplica } = await import('../../src/replica/bootstrap-replica.ts');
  let known: ReplicaRequest | undefined;
  let result: ReplicaResult;
  try {
    known = await readRequest(command, context, options);
    result = await runRequest(context, known);
  } catch (error) {
    // Patroni knows three exit codes, and the line and the document are there in every case.
    result = refuseReplica(context.emit, error, context.signal);
  }
  for (const message of result.restored?.warnings ?? []) context.emit({ type: 'warning', message });
  if (known !== undefined && !options.dryRun) await recordDecision(context, known.settings.spool, result);
  if (options.json) {
    const { toDocument } = await import('../replica-report.ts');
    const typed = { dryRun: options.dryRun === true, scope: known?.settings.scope };
    context.printJson(toDocument(result, known?.request, typed));
  } else if (result.restored !== undefined) {
    const { renderRestored } = await import('../fetch-report.ts');
    context.stdout.write(renderRestored(result.restored));
  }
  context.setExitCode(result.exitCode);
}

async function runRequest(
  context: CliContext,
  { settings, request }: ReplicaRequest,
): Promise<ReplicaResult> {
  const [{ bootstrapReplica }, { openBackupList }] = await Promise.all([
    import('../../src/replica/bootstrap-replica.ts'),
    import('../../src/replica/backup-list.ts'),
  ]);
  const store = await context.openStore(settings);
  const backupList = openBackupList({ store, settings, emit: context.emit });
  try {
    const deps = { store, listBackups: backupList.list, emit: context.emit };
    return await bootstrapReplica(deps, request, context.signal);
  } finally {
    backupList.close();
  }
}

async function readRequest(command: Command, context: CliContext, options: Options): Promise<ReplicaRequest> {
  const { judgeUnknown, readRetries, readSwitch } = await import('../../src/replica/arguments.ts');
  for (const name of judgeUnknown(command.args)) {
    const message = `--${name} means nothing to pgarc: it is taken for a key of Patroni's and ignored`;
    context.emit({ type: 'warning', message });
  }
  if (options.connstring === undefined) {
    throw new PgarcError('usage', 'the connection string of the leader is missing', {
      hint: 'Give --connstring, empty when there is no leader.',
    });
  }
  const settings = await context.loadSettings({
    pgdata: options.datadir,
    thresholdMegabytes: options.threshold_megabytes,
    thresholdPercentage: options.threshold_backup_size_percentage,
  });
  if (settings.pgdata === undefined) {
    throw new PgarcError('usage', 'the data directory to make is missing', { hint: 'Give --datadir.' });
  }
  const { parseTablespaceMap } = await import('../../src/backup/fetch/tablespaces.ts');
  const request: ReplicaOptions = {
    datadir: resolve(settings.pgdata),
    connstring: options.connstring,
    noLeader: readSwitch('no_leader', options.no_leader) || readSwitch('no_master', options.no_master),
    thresholds: { megabytes: settings.thresholdMegabytes, percentage: settings.thresholdPercentage },
    postgres: settings,
    retries: readRetries(options.retries),
    tablespaces: { map: parseTablespaceMap(options.tablespaceMap ?? []), root: options.tablespaceRoot },
    concurrency: settings.downloadConcurrency,
    dryRun: options.dryRun === true,
  };
  return { settings, request };
}

/** For the daemon's metric. A spool that cannot be written is no reason to fail. */
async function recordDecision(context: CliContext, spool: string, result: ReplicaResult): Promise<void> {
  const { leaveDecision } = await import('../../src/replica/record.ts');
  try {
    await leaveDecision(spool, result, new Date());
  } catch (error) {
    context.emit({ type: 'warning', message: `the decision is not counted: ${messageOf(error)}` });
  }
}
