import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Archives one WAL file: a segment, or a .history, .backup or .partial file. Ends with 0 only when it is stored, or was stored before with the same contents; then PostgreSQL may delete it.',
    exitCodes: [7, 8],
    examples: ["archive_command = 'pgarc wal-push %p'", 'pgarc wal-push pg_wal/00000001000000000000002A'],
  });
  command.argument('<path>', "the file, PostgreSQL's %p").action(async (path: string) => {
    const settings = await context.loadSettings();
    const { openEncoder } = await import('../../src/codec/codecs.ts');
    const [{ pushWal }, store, encoder] = await Promise.all([
      import('../../src/wal/push.ts'),
      context.openStore(settings),
      openEncoder(settings.compressionMethod),
    ]);
    const { spool, pgdata } = settings;
    await pushWal(
      { store, encoder, spool, pgdata, emit: context.emit },
      { path, cwd: process.cwd() },
      context.signal,
    );
  });
}
