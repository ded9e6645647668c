import { quoteForShell } from '../report/shell.ts';
import { formatCount, formatDuration } from '../report/units.ts';
import type { Trouble } from './diagnose.ts';
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
      return [
        trouble('archive_mode is off: no WAL is archived', "psql -c 'ALTER SYSTEM SET archive_mode = on'"),
      ];
    }
    if (postgres.callsPgarc === false && postgres.lastArchived === undefined) {
      const command = `psql -c "ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'" -c 'SELECT pg_reload_conf()'`;
      return [trouble('archive_command does not call pgarc, and nothing was archived', command)];
    }
  }
  return diagnoseBacklog(facts, picture);
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
