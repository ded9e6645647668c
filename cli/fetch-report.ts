import { formatStart } from '../src/backup/fetch/elsewhere.ts';
import type { FetchOptions, FetchResult } from '../src/backup/fetch/fetch.ts';
import { quoteSetting } from '../src/backup/fetch/recovery-settings.ts';
import { type Account, asAccount } from '../src/postgres/account.ts';
import { formatLsn } from '../src/postgres/lsn.ts';
import { escapeControls } from '../src/report/printable.ts';
import { quoteForShell } from '../src/report/shell.ts';
import { formatBytes, formatDuration } from '../src/report/units.ts';
import { formatTimestamp } from '../src/wal/timestamp.ts';
import type { Moment } from '../src/wal/window.ts';
import { describeMoment } from './moment.ts';

/** The document of `backup-fetch --json`. Sizes are bytes, times RFC 3339 in UTC. */
export function toDocument(result: FetchResult): unknown {
  const { backup, newest, ...rest } = result;
  return {
    backup: backup.name,
    ...rest,
    durationMs: Math.round(result.durationMs),
    newest: newest === undefined ? null : describeMoment(newest),
    settings: result.settings ?? null,
    signalFile: result.signalFile ?? null,
  };
}

const AT_TARGET = {
  pause: 'then it pauses',
  promote: 'then it opens a new timeline',
  shutdown: 'then the server shuts down',
} as const;

/**
 * What was done, and what to run next.
 * @param account whom the directory belongs to; undefined for anybody but root
 */
export function renderFetch(
  result: FetchResult,
  options: FetchOptions,
  account: Account | undefined,
): string {
  const { basedOn, tablespaces } = result;
  const lines: string[] = [];
  if (basedOn.length > 0) lines.push(`built on ${escapeControls(basedOn.join(', '))}`);
  for (const { oid, to } of tablespaces) lines.push(`tablespace ${oid} is in ${to}`);
  if (result.signalFile !== undefined) lines.push(...describeRecovery(result, options));
  lines.push('', ...nextSteps(result, options, account));
  return `${renderRestored(result)}${lines.join('\n')}\n`;
}

/** A line on what was done. */
export function renderRestored({ backup, pgdata, bytes, durationMs }: FetchResult): string {
  return `restored ${escapeControls(backup.name)} into ${pgdata}: ${formatBytes(bytes)} in ${formatDuration(durationMs)}\n`;
}

function describeRecovery(result: FetchResult, options: FetchOptions): string[] {
  const target = Object.entries(result.settings ?? {})
    .filter(([name]) => name !== 'recovery_target_timeline')
    .map(([name, value]) => `${name} = ${value}`);
  const aim = target.length === 0 ? 'to the end of the archive' : `to ${target.join(', ')}`;
  const atEnd = options.mode === 'standby' ? 'and goes on as a standby' : 'then it opens a new timeline';
  // PostgreSQL's: a standby that has a target leaves recovery there, too.
  const then = target.length === 0 ? atEnd : AT_TARGET[options.action];
  const lines = [`recovery goes ${aim} on timeline ${result.timeline}, ${then}`];
  if (result.newest !== undefined)
    lines.push(`the newest moment in the archive is ${tellMoment(result.newest)}`);
  if (!result.targetChecked) lines.push('whether the target exists shows only when PostgreSQL gets there');
  return lines;
}

function nextSteps(result: FetchResult, options: FetchOptions, account: Account | undefined): string[] {
  const pgdata = quoteForShell(result.pgdata);
  const start = formatStart(result.pgdata, result.configuredDataDirectory);
  const steps = [...startSteps(result, start, account)];
  if (result.signalFile === undefined) return formatSteps([...rawSteps(pgdata, options), ...steps]);
  steps.push([
    'See how far it is:',
    'psql -c "select pg_is_in_recovery(), pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()"',
  ]);
  if (options.target.kind !== 'none' && options.action === 'pause') {
    steps.push(['Look at the data, then let it go on:', 'psql -c "select pg_wal_replay_resume()"']);
  }
  if (options.mode === 'standby' && options.target.kind === 'none') {
    steps.push(['To stream from the primary:', 'set primary_conninfo in postgresql.conf before the start']);
  }
  return formatSteps(steps);
}

/** PostgreSQL does not start as root, and not on files of root's. */
function startSteps(
  { pgdata, tablespaces }: FetchResult,
  start: string,
  account: Account | undefined,
): string[][] {
  if (account?.uid !== 0) return [['Start it:', asAccount(account, start)]];
  const places = [pgdata, ...tablespaces.map(({ to }) => to)].map(quoteForShell);
  return [
    ["Give it to PostgreSQL's user, such as postgres:", `chown -R postgres: ${places.join(' ')}`],
    ['Start it as that user:', `runuser -u postgres -- ${start}`],
  ];
}

/** Without WAL these files are no consistent cluster, and PostgreSQL refuses to start on them. */
function rawSteps(pgdata: string, { restoreCommand }: FetchOptions): string[][] {
  return [
    ['Tell it where its WAL is, in postgresql.conf:', `restore_command = ${quoteSetting(restoreCommand)}`],
    ['Let it recover from there (standby.signal makes a standby):', `touch ${pgdata}/recovery.signal`],
  ];
}

function formatSteps(steps: readonly string[][]): string[] {
  return ['Next:', ...steps.map(([what, command]) => `  ${what}\n    ${command}`)];
}

function tellMoment(moment: Moment): string {
  const place = `LSN ${formatLsn(moment.lsn)} on timeline ${moment.timeline}`;
  return moment.time === undefined ? place : `${formatTimestamp(moment.time)} (${place})`;
}
