import type { Command } from 'commander';
import type { Finding } from '../../src/check/finding.ts';
import { describeFailure } from '../../src/check/finding.ts';
import { describeOrigin, type ResolvedSettings } from '../../src/config/resolve.ts';
import type { Settings } from '../../src/config/settings.ts';
import { EXIT_VERIFICATION_FAILED, EXIT_WARNINGS, isPgarcError } from '../../src/errors.ts';
import { checkTogether } from '../check-settings.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Checks on the database host that archiving works: settings, spool, store, etcd, PostgreSQL and its settings, whose archive it is, and the whole way of one WAL segment from pg_switch_wal() into the store and back. One line each: ok, or why not and what to do. Writes one object under pgarc/check/ and removes it, and where etcd is set one key.',
    exitCodes: [3, 4, 7, 8],
    examples: ['pgarc check', 'pgarc check --archive-timeout 5min', 'pgarc check --json | jq .findings'],
  });
  command.option('--json', 'one JSON document').action(async (options: { json?: boolean }) => {
    const findings: Finding[] = [];
    for await (const finding of findAll(context)) {
      findings.push(finding);
      if (!options.json) context.stdout.write(renderFinding(finding, context.stdout.colors));
    }
    const exitCode = chooseExitCode(findings);
    if (options.json) {
      context.printJson({
        ok: exitCode === 0,
        findings: findings.map(({ exitCode: _, ...finding }) => finding),
      });
    }
    context.setExitCode(exitCode);
  });
}

/** The settings, and when they can be used everything else. */
async function* findAll(context: CliContext): AsyncGenerator<Finding> {
  let settings: Settings;
  try {
    const resolved = await context.resolveSettings();
    settings = resolved.settings;
    await checkTogether(settings);
    const { requireStore } = await import('../../src/store/open.ts');
    yield describeSettings(requireStore(settings), resolved);
  } catch (error) {
    if (!isPgarcError(error, 'setting-invalid')) throw error;
    yield describeFailure('settings', error, context.signal);
    return;
  }
  const [{ check }, { openCluster }, { connectPostgres }] = await Promise.all([
    import('../../src/check/check.ts'),
    import('../../src/cluster/open.ts'),
    import('../../src/postgres/connection.ts'),
  ]);
  const { spool, pgdata, archiveTimeout, etcdEndpoints } = settings;
  yield* check(
    {
      openStore: () => context.openStore(settings),
      openCluster: () => openCluster(settings),
      connect: (directory, signal) => connectPostgres(settings, { pgdata: directory, signal }),
    },
    { spool, pgdata, archiveTimeout, etcdEndpoints },
    context.signal,
  );
}

function describeSettings(store: string, { origins, warnings }: ResolvedSettings): Finding {
  const message = `store ${store} from ${describeOrigin(origins.store)}`;
  if (warnings.length === 0) return { name: 'settings', status: 'ok', message };
  return { name: 'settings', status: 'warning', message: `${message}; ${warnings.join('; ')}` };
}

/** That of the first failure; 3 for warnings alone. What was skipped for no failure of its own is none. */
function chooseExitCode(findings: readonly Finding[]): number {
  const failed = findings.find(({ status }) => status === 'failed');
  if (failed !== undefined) return failed.exitCode ?? EXIT_VERIFICATION_FAILED;
  return findings.some(({ status }) => status === 'warning') ? EXIT_WARNINGS : 0;
}

function renderFinding({ name, status, message, hint }: Finding, colors: boolean): string {
  const colour = { ok: '32', warning: '33', failed: '31', skipped: '2' }[status];
  const padded = status.padEnd(7);
  const shown = colors ? `\x1b[${colour}m${padded}\x1b[0m` : padded;
  const lines = message.split('\n').join(`\n${' '.repeat(25)}`);
  return `${name.padEnd(15)}  ${shown} ${lines}\n${hint === undefined ? '' : `${' '.repeat(25)}hint: ${hint}\n`}`;
}
