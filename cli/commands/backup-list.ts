import type { Command } from 'commander';
import type { AnyList } from '../../src/cluster/list-anyhow.ts';
import type { Settings } from '../../src/config/settings.ts';
import { PgarcError } from '../../src/errors.ts';
import { formatCount, formatDuration } from '../../src/report/units.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  json?: boolean;
  detail?: boolean;
  walE?: boolean;
  cached?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Lists the backups in the store, oldest first, whoever took them: pgarc, WAL-G or WAL-E. A backup whose sentinel is damaged is listed as such. Where etcd is set and the store does not answer within three seconds, the list is that of etcd, and stderr says how old it is.',
    exitCodes: [7],
    examples: [
      'pgarc backup-list',
      'pgarc backup-list --json',
      'pgarc backup-list --wal-e',
      'pgarc backup-list --cached',
    ],
  });
  command
    .option('--json', 'one JSON document; sizes are bytes, times RFC 3339 in UTC')
    .option('--detail', 'also LSNs, system identifier, host, data directory and what a delta is built on')
    .option('--wal-e', "WAL-E's table with its detail columns, for programs that read it")
    .option('--cached', "etcd's list, without asking the store")
    .action(async (options: Options) => {
      if (options.json && options.walE) {
        throw new PgarcError('usage', '--json and --wal-e are two forms of one list: give one of them');
      }
      const settings = await context.loadSettings();
      const list = await (options.cached ? readCached(context, settings) : readAnyhow(context, settings));
      tellSource(context, list);
      await print(context, list, options, settings.store);
    });
}

/** etcd's list. Nothing of the store is loaded: it answers in a tenth of a second. */
async function readCached(context: CliContext, settings: Settings): Promise<AnyList> {
  const [{ openCluster }, { readBackupCache }] = await Promise.all([
    import('../../src/cluster/open.ts'),
    import('../../src/cluster/backup-cache.ts'),
  ]);
  const cluster = openCluster(settings);
  if (cluster === undefined) {
    throw new PgarcError('setting-invalid', '--cached needs etcd', {
      hint: 'Set etcd-endpoints and scope.',
    });
  }
  try {
    const cached = await readBackupCache({ ...cluster, emit: context.emit }, context.signal);
    if (cached !== undefined) return { ...cached, source: 'etcd' };
    throw new PgarcError('etcd-unreachable', `etcd holds no list of backups under ${cluster.keys.backups}`, {
      hint: 'The daemon writes it, and backup-push does; see `pgarc backup-list` without --cached.',
      retryable: false,
      details: { reason: 'no-list' },
    });
  } finally {
    cluster.etcd.close();
  }
}

async function readAnyhow(context: CliContext, settings: Settings): Promise<AnyList> {
  const [{ openCluster }, { listBackupsAnyhow }, store] = await Promise.all([
    import('../../src/cluster/open.ts'),
    import('../../src/cluster/list-anyhow.ts'),
    context.openStore(settings),
  ]);
  const cluster = openCluster(settings);
  try {
    const { emit, signal } = context;
    return await listBackupsAnyhow({ store, etcd: cluster?.etcd, keys: cluster?.keys, emit }, {}, signal);
  } finally {
    cluster?.etcd.close();
  }
}

function tellSource({ emit }: CliContext, list: AnyList): void {
  if (list.source === 'store') return;
  const age = formatDuration(Math.max(0, Date.now() - list.readAt.getTime()));
  const why = list.reason === undefined ? '' : `${list.reason}; `;
  const message = `${why}this list is from etcd, read from the store ${age} ago (${list.readAt.toISOString()})`;
  emit({ type: list.reason === undefined ? 'note' : 'warning', message });
  if (list.omitted > 0) {
    emit({ type: 'warning', message: `it is without the oldest ${formatCount(list.omitted, 'backup')}` });
  }
}

async function print(
  context: CliContext,
  { backups, source, readAt }: AnyList,
  options: Options,
  location: string | undefined,
): Promise<void> {
  for (const { name, warnings } of backups) {
    for (const warning of warnings) context.emit({ type: 'warning', message: `${name}: ${warning}` });
  }
  if (options.json) {
    const { toDocument } = await import('../../src/backup/catalog-json.ts');
    context.printJson({ backups: backups.map(toDocument), source, readAt });
  } else if (options.walE) {
    const { formatWaleTable } = await import('../../src/backup/catalog-wale.ts');
    context.stdout.write(formatWaleTable(backups));
  } else if (backups.length === 0) {
    context.emit({ type: 'note', message: `no backups in ${location ?? 'the store'}` });
  } else {
    const { renderBackupTable } = await import('../backup-table.ts');
    context.stdout.write(renderBackupTable(backups, new Date(), options.detail === true));
  }
}
