import type { Command } from 'commander';
import { EXIT_VERIFICATION_FAILED, EXIT_WARNINGS } from '../../src/errors.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Lists the WAL archive and tells which segments are missing, and between which moments a cluster can be ' +
      'recovered. A gap inside the window is a failure; one that no backup needs is only shown. ' +
      'An archive without WAL and backups is exit code 3.',
    exitCodes: [3, 7, 8],
    examples: ['pgarc wal-verify', 'pgarc wal-verify --records', 'pgarc wal-verify --json | jq .windows'],
  });
  command.option(
    '--records',
    'read all WAL of the windows, and find where it was written with wal_level = minimal',
  );
  command
    .option('--json', 'one JSON document')
    .action(async (options: { json?: boolean; records?: boolean }) => {
      const settings = await context.loadSettings();
      const store = await context.openStore(settings);
      const [{ listBackups }, { verifyWal }, { toDocument, renderReport }] = await Promise.all([
        import('../../src/backup/catalog.ts'),
        import('../../src/wal/verify.ts'),
        import('../wal-report.ts'),
      ]);
      const backups = await listBackups(store, context.signal);
      const report = await verifyWal({ store, backups }, context.signal, options.records ? 'whole' : 'end');
      const isNothing = report.ok && report.timelines.length === 0;
      if (isNothing) {
        const message = `there is no WAL in ${store.location}: nothing is verified`;
        context.emit({ type: 'warning', message });
        context.setExitCode(EXIT_WARNINGS);
      }
      if (options.json) context.printJson(toDocument(store.location, report));
      else if (!isNothing) context.stdout.write(renderReport(report));
      if (!report.ok) context.setExitCode(EXIT_VERIFICATION_FAILED);
    });
}
