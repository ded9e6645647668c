import { asAccount } from '../postgres/account.ts';
import { quoteForShell } from '../report/shell.ts';
import { formatCount, formatDuration } from '../report/units.ts';
import type { Trouble } from './diagnose.ts';
import { describeLostWal } from './diagnose-arrival.ts';
import type { StatusFacts } from './facts.ts';
import { answered, type Picture } from './picture.ts';

/** WAL that waits longer for the archive needs attention, ms. */
const LONG_WAIT = 5 * 60_000;

/** Whether WAL gets into the archive. */
export function diagnoseArchive(facts: StatusFacts, picture: Picture): Trouble[] {
  if (facts.store === undefined) return [];
  const postgres = answered(facts.postgres);
  if (postgres !== undefined && picture.role === 'primary') {
    if (postgres.archiveMode === 'off') {
      return [diagnoseOff(facts, postgres.needsRestart)];
    }
    if (postgres.callsPgarc === false && postgres.lastArchived === undefined) {
      return [
        trouble(
          'archive_command does not call pgarc, and nothing was archived',
          callPgarc(postgres.archiveLibrary),
        ),
      ];
    }
  }
  return [...diagnoseArrival(facts, picture), ...diagnoseBacklog(facts, picture)];
}

/** Takes two commands, and the second is told when the first has been run. */
function diagnoseOff({ hasPatroni, scope, pgdata, files }: StatusFacts, needsRestart: boolean): Trouble {
  if (!needsRestart) {
    return trouble(
      'archive_mode is off: no WAL is archived, and turning it on takes a restart of the server afterwards',
      `psql -c 'ALTER SYSTEM SET archive_mode = on' -c 'SELECT pg_reload_conf()'`,
    );
  }
  const message = 'archive_mode was turned on and waits for a restart of the server: no WAL is archived';
  if (hasPatroni) {
    const restart = scope === undefined ? 'list' : `restart ${quoteForShell(scope)} --pending`;
    return trouble(message, `patronictl ${restart}`);
  }
  const restart = `pg_ctl -D ${pgdata === undefined ? '"$PGDATA"' : quoteForShell(pgdata)} restart`;
  return trouble(message, asAccount(answered(files)?.account, restart));
}

function diagnoseArrival(facts: StatusFacts, picture: Picture): Trouble[] {
  const lost = describeLostWal(facts, picture);
  if (lost === undefined) return [];
  const postgres = answered(facts.postgres);
  return postgres?.callsPgarc === false
    ? [trouble(`${lost}; archive_command does not call pgarc`, callPgarc(postgres.archiveLibrary))]
    : [trouble(lost, 'pgarc check')];
}

/** The command that makes PostgreSQL archive with pgarc. With a library beside it, PostgreSQL archives nothing. */
function callPgarc(library: string | undefined): string {
  const words = [`"ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'"`, "'SELECT pg_reload_conf()'"];
  if ((library ?? '') !== '') words.unshift(`"ALTER SYSTEM SET archive_library = ''"`);
  return `psql -c ${words.join(' -c ')}`;
}

function diagnoseBacklog({ postgres, pgdata, now }: StatusFacts, { waiting }: Picture): Trouble[] {
  if (waiting === undefined || waiting.value.files === 0) return [];
  const { files, since } = waiting.value;
  const server = answered(postgres);
  const waited = since === undefined ? 0 : now.getTime() - since.getTime();
  const failed = server?.lastFailed;
  const isFailing =
    failed !== undefined &&
    (server?.lastFailedTime?.getTime() ?? 0) > (server?.lastArchivedTime?.getTime() ?? 0);
  if (!isFailing && waited < LONG_WAIT) return [];
  const oldest = since === undefined ? '' : `, the oldest for ${formatDuration(waited)}`;
  const why = isFailing ? `; archiving ${failed} failed` : '';
  const command =
    failed !== undefined && pgdata !== undefined
      ? `pgarc wal-push ${quoteForShell(`${pgdata}/pg_wal/${failed}`)}`
      : 'pgarc check';
  return [
    trouble(
      `${formatCount(files, 'WAL file')} ${files === 1 ? 'waits' : 'wait'} to be archived${oldest}${why}`,
      command,
    ),
  ];
}

function trouble(message: string, command: string): Trouble {
  return { subject: 'archive', message, command };
}
