import type { Command } from 'commander';
import { EXIT_WARNINGS } from '../../src/errors.ts';
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
      'Shows which backups and which WAL the rules of retention keep and drop, with the reasons; deletes only with --confirm. The rules are the settings keep-full, keep-window, keep-daily, keep-weekly, keep-monthly and keep-yearly, of which any may keep a backup; without a rule everything stays. See docs/retention.md.',
    exitCodes: [3, 4, 6, 7, 8],
    examples: [
      'pgarc retain --keep-window 14d',
      'pgarc retain --keep-full 3 --keep-weekly 8',
      'pgarc retain --confirm',
    ],
  });
  command
    .option('--confirm', 'really delete')
    .option('--without-lock', 'delete although etcd, which holds the lock, is not reachable')
    .option('--json', 'one JSON document; sizes are bytes, times RFC 3339 in UTC')
    .action(async (options: Options) => {
      const settings = await context.loadSettings();
      const { describeRules, rulesOf } = await import('../../src/retention/rules.ts');
      const rules = rulesOf(settings);
      const store = await context.openStore(settings);
      const [{ retain }, { warningsOf }, { renderRetention, toDocument }] = await Promise.all([
        import('../../src/retention/retain.ts'),
        import('../../src/retention/warnings.ts'),
        import('../retain-report.ts'),
      ]);
      const confirm = options.confirm === true;
      const { emit } = context;
      const result = confirm
        ? await shareWork(
            context,
            { settings, store, lock: 'retain', canDoWithout: options.withoutLock === true },
            (guarded, signal) => retain({ store: guarded, emit }, { rules, confirm }, signal),
          )
        : await retain({ store, emit }, { rules, confirm }, context.signal);
      const warnings = warningsOf(result);
      for (const message of warnings) context.emit({ type: 'warning', message });
      if (options.json) context.printJson(toDocument(store.location, rules, result));
      else context.stdout.write(renderRetention(describeRules(rules), result));
      if (!confirm && !options.json && result.total.objects > 0) {
        context.emit({ type: 'note', message: 'nothing was deleted; --confirm deletes' });
      }
      if (warnings.length > 0) context.setExitCode(EXIT_WARNINGS);
    });
}
