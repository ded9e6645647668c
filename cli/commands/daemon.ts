import { isAbsolute } from 'node:path';
import type { Command } from 'commander';
import { USUAL_FILE } from '../../src/config/load.ts';
import type { ResolvedSettings } from '../../src/config/resolve.ts';
import type { DaemonOptions } from '../../src/daemon/daemon.ts';
import { checkTogether } from '../check-settings.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';
import { collectSettingOptions } from '../setting-options.ts';

/** Flags that choose the store: a launcher cannot see them in its environment. */
const STORE_SETTINGS = ['store', 'scope', 's3Endpoint', 's3Region'] as const;

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Runs beside PostgreSQL: stores segments before PostgreSQL asks for them, fetches the next ones before recovery does, and runs the scheduled jobs. wal-push and wal-fetch work without it, only slower. SIGTERM ends it in good order, a second one at once.',
    exitCodes: [6],
    examples: ['pgarc daemon', 'pgarc daemon --pgdata /var/lib/postgresql/data --log-format json'],
  });
  command.action(async () => {
    const first = await context.resolveSettings();
    const config = collectSettingOptions(command).config || process.env.PGARC_CONFIG || '';
    const { holdSettingsFile } = await import('../../src/daemon/settings-file.ts');
    const settingsFile = await holdSettingsFile(config || USUAL_FILE);
    // Again, now that the file is held: a change after that is seen.
    const settings = await context.loadSettings();
    await checkTogether(settings);
    const [{ runDaemon }, { fingerprintOf }, { openEncoder }, { openStore }, { createDaemonLog }, services] =
      await Promise.all([
        import('../../src/daemon/daemon.ts'),
        import('../../src/daemon/fingerprint.ts'),
        import('../../src/codec/codecs.ts'),
        import('../../src/store/open.ts'),
        import('../../src/daemon/log.ts'),
        import('../../src/daemon/all-services.ts'),
      ]);
    const options: DaemonOptions = {
      fingerprint: canBeShared(first, config) ? fingerprintOf(process.env, config) : undefined,
      settingsFile,
    };
    try {
      await runDaemon(
        {
          settings,
          encoder: await openEncoder(settings.compressionMethod),
          openStore: (emit) => openStore(settings, emit),
          listen: (bus) => bus.listen(createDaemonLog(context.emit)),
          services: services.ALL_SERVICES,
        },
        options,
        context.signal,
      );
    } finally {
      await settingsFile.held?.handle.close();
    }
  });
}

/** Whether a pgarc without options can come to the same store, from the same environment. */
function canBeShared({ origins }: ResolvedSettings, config: string): boolean {
  const isFlag = STORE_SETTINGS.some((key) => origins[key].kind === 'flag');
  return !isFlag && (config === '' || isAbsolute(config));
}
