import type { Command } from 'commander';
import { EXIT_WARNINGS } from '../../src/errors.ts';
import { escapeControls } from '../../src/report/printable.ts';
import { shareWork } from '../cluster-lock.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  impermanent?: boolean;
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Marks a backup as permanent: neither retention nor delete removes it. The backups a delta is built on are marked with it. --impermanent takes the mark away from this one alone.',
    exitCodes: [3, 4, 5, 6, 7, 8],
    examples: ['pgarc backup-mark LATEST', 'pgarc backup-mark base_000000010000000000000002 --impermanent'],
  });
  command
    .argument('<NAME>', 'name of a backup, or LATEST')
    .option('--impermanent', 'undo: retention may remove it again')
    .option('--json', 'one JSON document')
    .action(async (name: string, options: Options) => {
      const settings = await context.loadSettings();
      const store = await context.openStore(settings);
      const { markBackup } = await import('../../src/backup/mark.ts');
      const permanent = options.impermanent !== true;
      const { backup, changed } = await shareWork(
        context,
        { settings, store, lock: 'retain', canDoWithout: true },
        (shared, signal) => markBackup({ store: shared }, { name, permanent }, signal),
      );
      if (permanent && !backup.usable) {
        const message = `${backup.name} cannot be used: ${backup.warnings.join('; ')}`;
        const hint =
          'The mark only keeps it; take a new backup to be kept with `pgarc backup-push --permanent`.';
        context.emit({ type: 'warning', message, hint });
        context.setExitCode(EXIT_WARNINGS);
      }
      if (options.json) {
        context.printJson({ name: backup.name, permanent, changed });
        return;
      }
      const now = permanent ? 'is now' : 'is no longer';
      for (const one of changed) context.stdout.write(`${escapeControls(one)} ${now} permanent\n`);
      const before = permanent ? 'was' : 'was not';
      if (changed.length === 0)
        context.stdout.write(`${escapeControls(backup.name)} ${before} permanent before\n`);
    });
}
