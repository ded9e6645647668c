import type { CommandModule } from './context.ts';

/** A command in `pgarc --help`; its module is only loaded when it runs. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<CommandModule>;
}

/** All commands, in the order of `pgarc --help`. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'status',
    summary: 'show how cluster, archive, backups and jobs are, and what to do',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'wal-push',
    summary: 'archive one WAL file (archive_command)',
    load: () => import('./commands/wal-push.ts'),
  },
  {
    name: 'wal-fetch',
    summary: 'restore one WAL file (restore_command)',
    load: () => import('./commands/wal-fetch.ts'),
  },
  {
    name: 'backup-push',
    summary: 'take a full base backup of a running server',
    load: () => import('./commands/backup-push.ts'),
  },
  {
    name: 'backup-fetch',
    summary: 'restore a backup, to its end or to a moment',
    load: () => import('./commands/backup-fetch.ts'),
  },
  {
    name: 'replica-bootstrap',
    summary: 'start a replica from the archive when that is cheaper (Patroni)',
    load: () => import('./commands/replica-bootstrap.ts'),
  },
  {
    name: 'bootstrap',
    summary: 'rebuild or clone a whole cluster from an archive (Patroni)',
    load: () => import('./commands/bootstrap.ts'),
  },
  {
    name: 'backup-list',
    summary: 'list the backups in the store',
    load: () => import('./commands/backup-list.ts'),
  },
  {
    name: 'backup-mark',
    summary: 'keep a backup for ever, or undo that',
    load: () => import('./commands/backup-mark.ts'),
  },
  {
    name: 'delete',
    summary: 'delete one backup',
    load: () => import('./commands/delete.ts'),
  },
  {
    name: 'retain',
    summary: 'drop old backups and WAL by rules',
    load: () => import('./commands/retain.ts'),
  },
  {
    name: 'wal-verify',
    summary: 'find gaps in the archived WAL',
    load: () => import('./commands/wal-verify.ts'),
  },
  {
    name: 'verify',
    summary: 'read back and check every object of a backup and its WAL',
    load: () => import('./commands/verify.ts'),
  },
  {
    name: 'check',
    summary: 'check settings, store, PostgreSQL and the archiving round trip',
    load: () => import('./commands/check.ts'),
  },
  {
    name: 'daemon',
    summary: 'archive and prefetch WAL ahead of PostgreSQL, and run the scheduled jobs',
    load: () => import('./commands/daemon.ts'),
  },
  {
    name: 'schedule',
    summary: 'list the scheduled jobs, or run one now',
    load: () => import('./commands/schedule.ts'),
  },
  {
    name: 'config',
    summary: 'show every setting and where it came from',
    load: () => import('./commands/config-show.ts'),
  },
];
