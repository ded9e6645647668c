import { PgarcError } from '../../errors.ts';
import type { ServerFacts } from '../../postgres/server.ts';

/** Settings of the server without which a backup cannot be restored. @throws PgarcError `refused` */
export function requireArchiving(facts: ServerFacts): void {
  if (facts.walLevel === 'minimal') {
    throw new PgarcError('refused', 'wal_level is minimal: WAL does not hold what a restore needs', {
      hint: "Set wal_level = 'replica' and restart the server.",
    });
  }
  // A standby archives only with `always`; its primary may do it instead, which the store will show.
  if (facts.inRecovery) return;
  if (facts.archiveMode === 'off') {
    throw new PgarcError('refused', 'archive_mode is off: a backup cannot be restored without its WAL', {
      hint: "Set archive_mode = on and archive_command = 'pgarc wal-push %p', and restart the server.",
    });
  }
  if (facts.archiveCommand === '' && facts.archiveLibrary === '') {
    throw new PgarcError('refused', 'archive_command is empty: a backup cannot be restored without its WAL', {
      hint: "Set archive_command = 'pgarc wal-push %p' and reload the server.",
    });
  }
}
