import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Archives one WAL file: a segment, or a .history, .backup or .partial file. Ends with 0 only when it is stored, or was stored before with the same contents; then PostgreSQL may delete it.',
    exitCodes: [4, 7, 8],
    examples: ["archive_command = 'pgarc wal-push %p'", 'pgarc wal-push pg_wal/00000001000000000000002A'],
  });
  command.argument('<PATH>', "the file, PostgreSQL's %p").action(async (path: string) => {
    const settings = await context.loadSettings();
    if (process.env.PGARC_DAEMON !== 'no') {
      const { askAboutFile } = await import('../../src/daemon/client.ts');
      if (await askAboutFile(settings, '/wal-push', resolve(path), context.signal)) return;
    }
    const [{ openEncoder }, { prepareWal }] = await Promise.all([
      import('../../src/codec/codecs.ts'),
      import('../../src/wal/prepare.ts'),
    ]);
    const encoder = await openEncoder(settings.compressionMethod);
    await using prepared = await prepareWal(encoder, { path, cwd: process.cwd() });
    // The compression runs on other threads while this one loads what speaks to the store.
    const [{ storeWal }, store] = await Promise.all([
      import('../../src/wal/push.ts'),
      context.openStore(settings),
    ]);
    const { spool, pgdata } = settings;
    await storeWal({ store, spool, pgdata, emit: context.emit }, prepared, context.signal);
  });
}
