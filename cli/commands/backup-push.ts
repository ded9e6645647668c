import type { Command } from 'commander';
import { describeLeftOut } from '../../src/backup/left-out.ts';
import type { PushedBackup } from '../../src/backup/push/push.ts';
import { EXIT_WARNINGS } from '../../src/errors.ts';
import { formatLsn } from '../../src/postgres/lsn.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../src/report/units.ts';
import { shareWork } from '../cluster-lock.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  permanent?: boolean;
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Takes a full base backup of the running server on this host, primary or standby, and stores it. Needs a working archive_command. Page checksums are verified on the way. Damaged pages, and links and special files, which are left out, are reported; the backup is stored all the same and the exit code is 3. Where etcd is set, one backup runs in a scope at a time.',
    exitCodes: [3, 4, 6, 7],
    examples: [
      'pgarc backup-push /var/lib/postgresql/15/main',
      'pgarc backup-push --permanent',
      'pgarc backup-push --json | jq -r .name',
    ],
  });
  command
    .argument('[PGDATA]', 'data directory of the server (default: PGDATA, else what the server says)')
    .option('--permanent', 'never removed by retention')
    .option('--json', 'one JSON document')
    .action(async (pgdata: string | undefined, options: Options) => {
      const backup = await runPush(context, pgdata, options);
      if (options.json) context.printJson(toDocument(backup));
      else context.stdout.write(renderBackup(backup));
      if (backup.damagedPages.length > 0 || backup.leftOut.length > 0) context.setExitCode(EXIT_WARNINGS);
    });
}

async function runPush(
  context: CliContext,
  pgdata: string | undefined,
  { permanent = false }: Options,
): Promise<PushedBackup> {
  const settings = await context.loadSettings({ pgdata });
  const store = await context.openStore(settings);
  const [{ pushBackupHere }, { openEncoder }] = await Promise.all([
    import('../../src/backup/push/push-here.ts'),
    import('../../src/codec/codecs.ts'),
  ]);
  const encoder = await openEncoder(settings.compressionMethod);
  const { emit } = context;
  return await shareWork(
    context,
    { settings, store, lock: 'backup', canDoWithout: true },
    (guarded, signal) => pushBackupHere({ settings, store: guarded, encoder, emit }, { permanent }, signal),
  );
}

/** The document of --json. Durations are ms, sizes bytes. */
function toDocument(backup: PushedBackup): unknown {
  return {
    ...backup,
    startLsn: formatLsn(backup.startLsn),
    finishLsn: formatLsn(backup.finishLsn),
  };
}

function renderBackup(backup: PushedBackup): string {
  const { name, durationMs, uncompressedSize, storedSize, damagedPages, leftOut } = backup;
  const rate = formatRate(uncompressedSize / Math.max(durationMs / 1000, 0.001));
  const lines = [
    name,
    `  ${formatBytes(uncompressedSize)} in ${formatCount(backup.files, 'file')}, stored as ${formatBytes(storedSize)}, ${formatDuration(durationMs)} (${rate})`,
    `  WAL ${formatLsn(backup.startLsn)} to ${formatLsn(backup.finishLsn)}, timeline ${backup.timeline}${backup.permanent ? ', permanent' : ''}`,
  ];
  if (damagedPages.length > 0) lines.push(`  damaged pages: ${damagedPages.length}`);
  else if (!backup.pagesChecked) lines.push('  page checksums are off in this cluster');
  if (leftOut.length > 0) lines.push(`  not in it: ${describeLeftOut(leftOut)}`);
  return `${lines.join('\n')}\n`;
}
