import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Restores one WAL file, whole and checked. Ends with 74 only when the store answered that it has no such file. Any other failure is 75 on a standby, which asks again, and 255 elsewhere, which stops the server instead of ending recovery too early.',
    exitCodes: [74, 255],
    examples: [
      "restore_command = 'pgarc wal-fetch %f %p'",
      'pgarc wal-fetch 00000001000000000000002A /tmp/00000001000000000000002A',
    ],
  });
  command
    .argument('<NAME>', "name of the file, PostgreSQL's %f")
    .argument('<DESTINATION>', "where it goes, PostgreSQL's %p")
    .action(async (name: string, destination: string) => {
      const settings = await context.loadSettings();
      const { spool, pgdata } = settings;
      const cwd = process.cwd();
      const request = { name, destination, cwd };
      if (process.env.PGARC_DAEMON !== 'no') {
        const { askForWal } = await import('../../src/daemon/ask-for-wal.ts');
        if (await askForWal(settings, request, context.signal)) return;
      }
      const [{ findCluster }, { choosePatience }] = await Promise.all([
        import('../../src/wal/cluster.ts'),
        import('../../src/wal/patience.ts'),
      ]);
      const cluster = await findCluster(destination, { cwd, pgdata });
      const fetchTimeout = await choosePatience(cluster, settings);
      const [{ fetchWal }, { EXTENSION_OF }, store] = await Promise.all([
        import('../../src/wal/fetch.ts'),
        import('../../src/wal/read-object.ts'),
        // The store itself asks again for as long as PostgreSQL shall wait.
        context.openStore({ ...settings, storeTimeout: fetchTimeout }),
      ]);
      const usualExtension = EXTENSION_OF[settings.compressionMethod];
      await fetchWal(
        { store, usualExtension, fetchTimeout, spool, pgdata, emit: context.emit },
        request,
        context.signal,
      );
    });
}
