import { quoteForShell } from '../../report/shell.ts';

/** What a restored server is told about its recovery, in postgresql.auto.conf. */
export interface RecoverySettings {
  restoreCommand: string;
  /** recovery_target* settings of the target, recovery_target_timeline among them. */
  target: Readonly<Record<string, string>>;
  /** Only with a target. */
  action: string | undefined;
  /** Goes on as a standby, unless it has a target. */
  isStandby: boolean;
}

/** All that name a target; PostgreSQL refuses to start with two of them. */
const TARGETS = [
  'recovery_target',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
];
const OURS = /^\s*(?:restore_command|recovery_target(?:_[a-z]+)?)\s*(?:=|\s)/i;

/**
 * What postgresql.conf may hold for a standby, and PostgreSQL heeds whenever it recovers from an archive: a delay
 * holds every commit back, and the commands are meant for another server, such as one that clears an archive.
 */
const STANDBY_SETTINGS: readonly [string, string][] = [
  ['recovery_min_apply_delay', '0'],
  ['recovery_end_command', ''],
  ['archive_cleanup_command', ''],
];
const HEADER = '# Recovery settings of pgarc backup-fetch';

/**
 * Adds recovery settings to a postgresql.auto.conf, in place of those of an earlier restore. Targets that are
 * not used are set to nothing, because one in postgresql.conf would be a second target; they come first, since
 * PostgreSQL would take an empty one after the real one for a second one too (xlogrecovery.c, assign hooks). What
 * is meant for a standby stays with one only.
 */
export function applyRecoverySettings(content: string, settings: RecoverySettings): string {
  const added: [string, string][] = [['restore_command', settings.restoreCommand]];
  for (const name of TARGETS) if (settings.target[name] === undefined) added.push([name, '']);
  added.push(...Object.entries(settings.target));
  if (settings.action !== undefined) added.push(...settingsAtTarget(settings.action));
  if (!settings.isStandby) added.push(...STANDBY_SETTINGS);
  const earlier = new Set([HEADER, ...[...STANDBY_SETTINGS, ...added].map(formatSetting)]);
  const lines = content.split('\n').filter((line) => !OURS.test(line) && !earlier.has(line));
  while (lines.at(-1) === '') lines.pop();
  lines.push(HEADER, ...added.map(formatSetting), '');
  return lines.join('\n');
}

/**
 * How recovery ends at a target. One that postgresql.conf excludes would end it a transaction too early, and a
 * server without hot_standby shuts down where it should pause (xlogrecovery.c, validateRecoveryParameters).
 */
function settingsAtTarget(action: string): [string, string][] {
  return [
    ['recovery_target_inclusive', 'on'],
    ['recovery_target_action', action],
    ...(action === 'pause' ? ([['hot_standby', 'on']] as [string, string][]) : []),
  ];
}

function formatSetting([name, value]: readonly [string, string]): string {
  return `${name} = ${quoteSetting(value)}`;
}

/** Quotes a value for a configuration file (guc-file.l: a quote is doubled, a backslash escapes). */
export function quoteSetting(value: string): string {
  return `'${value.replace(/\\/g, '\\\\').replace(/'/g, "''")}'`;
}

/**
 * Builds a restore_command: PostgreSQL replaces %f and %p, a shell reads the rest.
 * @param program absolute path and arguments before `wal-fetch`
 * @param flags arguments after it, such as --config
 */
export function formatRestoreCommand(program: readonly string[], flags: readonly string[]): string {
  const quote = (word: string) => quoteForShell(word).replace(/%/g, '%%');
  return [...program.map(quote), 'wal-fetch', ...flags.map(quote), '%f', '"%p"'].join(' ');
}
