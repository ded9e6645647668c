import type { Command } from 'commander';
import { PgarcError } from '../../src/errors.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  json?: boolean;
  detail?: boolean;
  walE?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Lists the backups in the store, oldest first, whoever took them: pgarc, WAL-G or WAL-E. A backup whose sentinel is damaged is listed as such.',
    exitCodes: [7],
    examples: ['pgarc backup-list', 'pgarc backup-list --json', 'pgarc backup-list --wal-e'],
  });
  command
    .option('--json', 'one JSON document; sizes are bytes, times RFC 3339 in UTC')
    .option('--detail', 'also LSNs, system identifier, host, data directory and what a delta is built on')
    .option('--wal-e', "WAL-E's table with its detail columns, for programs that read it")
    .action(async (options: Options) => {
      if (options.json && options.walE) {
        throw new PgarcError('usage', '--json and --wal-e are two forms of one list: give one of them');
      }
      const settings = await context.loadSettings();
      const store = await context.openStore(settings);
      const { listBackups } = await import('../../src/backup/catalog.ts');
      const backups = await listBackups(store, context.signal);
      for (const { name, warnings } of backups) {
        for (const warning of warnings) context.emit({ type: 'warning', message: `${name}: ${warning}` });
      }
      if (options.json) {
        const { toDocument } = await import('../../src/backup/catalog-json.ts');
        context.printJson({ backups: backups.map(toDocument) });
      } else if (options.walE) {
        const { formatWaleTable } = await import('../../src/backup/catalog-wale.ts');
        context.stdout.write(formatWaleTable(backups));
      } else if (backups.length === 0) {
        context.stderr.write(`no backups in ${store.location}\n`);
      } else {
        const { renderBackupTable } = await import('../backup-table.ts');
        context.stdout.write(renderBackupTable(backups, new Date(), options.detail === true));
      }
    });
}
