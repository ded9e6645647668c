import type { Command } from 'commander';
import { escapeControls } from '../../src/report/printable.ts';
import { formatBytes, formatCount } from '../../src/report/units.ts';
import { shareWork } from '../cluster-lock.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  confirm?: boolean;
  withoutLock?: boolean;
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Deletes one backup; without --confirm it only shows what would go. Refused for a permanent backup and one that delta backups are built on. The WAL stays. A deletion that was broken off is finished by deleting the same name again, or by the next `pgarc retain --confirm`.',
    exitCodes: [4, 5, 6, 7],
    examples: [
      'pgarc delete base_000000010000000000000002',
      'pgarc delete base_000000010000000000000002 --confirm',
    ],
  });
  command
    .argument('<NAME>', 'name of a backup, or LATEST')
    .option('--confirm', 'really delete')
    .option('--without-lock', 'delete although etcd, which holds the lock, is not reachable')
    .option('--json', 'one JSON document')
    .action(async (name: string, options: Options) => {
      const settings = await context.loadSettings();
      const store = await context.openStore(settings);
      const { deleteBackup } = await import('../../src/backup/delete.ts');
      const confirm = options.confirm === true;
      const result = confirm
        ? await shareWork(
            context,
            { settings, store, lock: 'retain', canDoWithout: options.withoutLock === true },
            (guarded, signal) => deleteBackup({ store: guarded }, { name, confirm }, signal),
          )
        : await deleteBackup({ store }, { name, confirm }, context.signal);
      const { deleted, isLeftover, objects, storedBytes, isLast } = result;
      if (isLast) {
        const message = deleted
          ? 'that was the last usable backup'
          : 'it is the last usable backup: without it nothing can be restored';
        context.emit({ type: 'warning', message });
      }
      if (options.json) {
        context.printJson({ name: result.name, deleted, objects, storedBytes, isLast });
        return;
      }
      const rest = isLeftover ? 'what a deletion that was broken off left of ' : '';
      const what = `${rest}${escapeControls(result.name)}: ${formatCount(objects, 'object')}, ${formatBytes(storedBytes)}`;
      context.stdout.write(deleted ? `deleted ${what}\n` : `would delete ${what}\n`);
      if (!deleted) context.emit({ type: 'note', message: 'nothing was deleted; --confirm deletes' });
    });
}
