import { type Command, Option } from 'commander';
import type { TargetOptions } from '../src/backup/fetch/target-options.ts';
import type { CliContext } from './context.ts';

/** Options of every command that restores. */
export interface RestoreOptions extends TargetOptions {
  targetTimeline: string;
  targetAction: 'pause' | 'promote' | 'shutdown';
  tablespaceMap?: string[];
  tablespaceRoot?: string;
}

/** Where recovery ends, and what the server does then. */
export function addTargetOptions(command: Command, action: RestoreOptions['targetAction']): Command {
  return command
    .option(
      '--target-time <TIME>',
      'recover to this moment, such as "2026-11-21 12:00:00+00"; local time without an offset',
    )
    .option('--target-lsn <X/Y>', 'recover to this LSN')
    .option('--target-xid <XID>', 'recover to this transaction')
    .option('--target-name <NAME>', 'recover to a restore point of pg_create_restore_point()')
    .addOption(
      new Option('--target <immediate>', 'stop as soon as the backup is consistent').choices(['immediate']),
    )
    .option('--target-timeline <TIMELINE>', 'latest, current or a number', 'latest')
    .addOption(
      new Option('--target-action <ACTION>', 'what the server does at the target')
        .choices(['pause', 'promote', 'shutdown'])
        .default(action),
    );
}

/** Where tablespaces go. */
export function addTablespaceOptions(command: Command): Command {
  const append = (value: string, previous: string[] | undefined) => [...(previous ?? []), value];
  return command
    .option(
      '--tablespace-map <OLD=NEW>',
      'a tablespace, by oid or directory, goes to NEW; repeatable',
      append,
    )
    .option('--tablespace-root <DIR>', 'every tablespace goes to DIR/OID');
}

/** A server that fetches WAL needs credentials which its restore_command does not name. */
export function tellOfSecrets(context: CliContext, secrets: readonly string[]): void {
  context.emit({
    type: 'warning',
    message: `restore_command holds no secrets: the server needs ${secrets.join(', ')} in its own environment`,
    hint: 'Or keep them in a settings file (--config) or an envdir (--envdir), which restore_command then names.',
  });
}
