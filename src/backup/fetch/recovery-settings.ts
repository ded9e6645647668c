import { quoteForShell } from '../../report/shell.ts';

/** What a restored server is told about its recovery, in postgresql.auto.conf. */
export interface RecoverySettings {
  restoreCommand: string;
  /** recovery_target* settings of the target, recovery_target_timeline among them. */
  target: Readonly<Record<string, string>>;
  /** Only with a target. */
  action: string | undefined;
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
const HEADER = '# Recovery settings of pgarc backup-fetch';

/**
 * Adds recovery settings to a postgresql.auto.conf, in place of those of an earlier restore. Targets that are
 * not used are set to nothing, because one in postgresql.conf would be a second target; they come first, since
 * PostgreSQL would take an empty one after the real one for a second one too (xlogrecovery.c, assign hooks).
 */
export function applyRecoverySettings(content: string, settings: RecoverySettings): string {
  const added: [string, string][] = [['restore_command', settings.restoreCommand]];
  for (const name of TARGETS) if (settings.target[name] === undefined) added.push([name, '']);
  added.push(...Object.entries(settings.target));
  if (settings.action !== undefined) added.push(...settingsAtTarget(settings.action));
  const lines = content.split('\n').filter((line) => !OURS.test(line) && line !== HEADER);
  while (lines.at(-1) === '') lines.pop();
  lines.push(HEADER, ...added.map(formatSetting), '');
  return lines.join('\n');
}

/** How recovery ends at a target. One that postgresql.conf excludes would end a transaction too early. */
function settingsAtTarget(action: string): [string, string][] {
  return [
    ['recovery_target_inclusive', 'on'],
    ['recovery_target_action', action],
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
