import type { Command } from 'commander';
import { EXIT_WARNINGS } from '../../src/errors.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

/** The whole command takes less than two seconds, whatever hangs; ms since the process began. */
const ALL = 1900;
/** What each source has of that, ms: at least, also where the machine is slow to begin with, and at most. */
const LEAST = 1000;
const MOST = 1500;

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Shows in one screen how the cluster, its archive, its backups and the scheduled jobs are, and what to do where something is not well. Asks PostgreSQL, the data directory, the store, etcd and the daemon at once, and does without those that do not answer within one and a half seconds.',
    exitCodes: [3],
    examples: ['pgarc status', 'pgarc status --json | jq .troubles'],
  });
  command
    .option('--json', 'one JSON document; sizes are bytes, times RFC 3339 in UTC')
    .action(async (options: { json?: boolean }) => {
      const resolved = await context.resolveSettings();
      for (const message of resolved.warnings) context.emit({ type: 'warning', message });
      const [{ gatherFacts }, { pictureOf }, { diagnose }, { linesOf }, { toDocument }, { renderStatus }] =
        await Promise.all([
          import('../../src/status/gather.ts'),
          import('../../src/status/picture.ts'),
          import('../../src/status/diagnose.ts'),
          import('../../src/status/lines.ts'),
          import('../../src/status/document.ts'),
          import('../status-report.ts'),
        ]);
      const limit = Math.min(MOST, Math.max(LEAST, Math.round(ALL - performance.now())));
      const facts = await gatherFacts(resolved, limit, context.signal);
      const picture = pictureOf(facts);
      const troubles = diagnose(facts, picture);
      if (options.json) context.printJson(toDocument(facts, picture, troubles));
      else context.stdout.write(renderStatus(linesOf(facts, picture), troubles, context.stdout.colors));
      if (troubles.length > 0) context.setExitCode(EXIT_WARNINGS);
    });
}
