import type { Command } from 'commander';
import type { VerifyResult } from '../../src/backup/verify.ts';
import { EXIT_WARNINGS, PgarcError } from '../../src/errors.ts';
import { escapeControls } from '../../src/report/printable.ts';
import { formatBytes, formatCount, formatDuration } from '../../src/report/units.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Reads back every object of a backup, and of the backups a delta is built on, with the WAL from its start to its stop, and checks all of it: complete, undamaged, each file with the checksum of the manifest. Without NAME every backup is verified; one that is deleted meanwhile is passed over. An archive without backups is exit code 3.',
    exitCodes: [3, 5, 7, 8],
    examples: ['pgarc verify', 'pgarc verify LATEST', 'pgarc verify LATEST --json'],
  });
  command
    .argument('[NAME]', 'name of a backup, or LATEST; all when it is left out')
    .option('--json', 'one JSON document')
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const settings = await context.loadSettings();
      const store = await context.openStore(settings);
      const { verifyBackups } = await import('../../src/backup/verify.ts');
      const result = await verifyBackups(
        { store, emit: context.emit },
        { name, concurrency: settings.downloadConcurrency },
        context.signal,
      );
      const isNothing = result.failures.length === 0 && result.backups.length === 0;
      if (isNothing) {
        // Not well: the prefix may be the wrong one, and whoever asks every night shall hear of it.
        context.emit({
          type: 'warning',
          message: `there is no backup in ${store.location}: nothing is verified`,
        });
        context.setExitCode(EXIT_WARNINGS);
      }
      if (options.json) context.printJson(toDocument(result));
      else if (!isNothing) context.stdout.write(renderResult(result));
      if (result.failures.length > 0) throw toError(result);
    });
}

/** The document of --json. Durations are ms, sizes bytes. */
function toDocument(result: VerifyResult): unknown {
  const ok = result.failures.length === 0 && result.backups.length > 0;
  return { ok, ...result, durationMs: Math.round(result.durationMs) };
}

function renderResult(result: VerifyResult): string {
  const lines = result.failures.map(
    ({ key, reason }) => `FAILED  ${escapeControls(`${key}: ${reason.replace(`${key} `, '')}`)}\n`,
  );
  const { backups, deleted, objects, segments, bytes, durationMs } = result;
  const sum = `${formatCount(backups.length, 'backup')}, ${formatCount(objects, 'object')} (${segments} of them ${segments === 1 ? 'a WAL segment' : 'WAL segments'}), ${formatBytes(bytes)} in ${formatDuration(durationMs)}${deleted.length === 0 ? '' : `; deleted meanwhile: ${escapeControls(deleted.join(', '))}`}`;
  return `${lines.join('')}${lines.length === 0 ? 'ok' : formatCount(lines.length, 'failure')}: ${sum}\n`;
}

function toError({ failures }: VerifyResult): PgarcError {
  return new PgarcError(
    'object-damaged',
    `verification failed for ${formatCount(failures.length, 'object')}`,
    {
      hint: 'What they hold cannot be restored: take a new backup with `pgarc backup-push`.',
      details: { failures },
    },
  );
}
