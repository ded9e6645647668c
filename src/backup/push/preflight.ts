import { PgarcError } from '../../errors.ts';
import type { PostgresSession } from '../../postgres/connection.ts';
import { loadControlFile } from '../../postgres/control-file.ts';
import { requireDataDirectory, requireSameCluster } from '../../postgres/data-directory.ts';
import { readServerFacts, type ServerFacts } from '../../postgres/server.ts';
import { requireKnownVersion } from '../../postgres/version.ts';

/** The server that is backed up. */
export interface Server {
  session: PostgresSession;
  facts: ServerFacts;
  /** The real path of its data directory. */
  pgdata: string;
}

/**
 * Looks whether the server that was connected to can be backed up from here.
 * @param given its data directory; undefined: where the server says it is
 * @throws PgarcError `refused`, `usage` when the data directory is not known
 */
export async function checkServer(session: PostgresSession, given: string | undefined): Promise<Server> {
  const facts = await readServerFacts(session);
  requireKnownVersion(facts.versionNumber);
  const told = given ?? facts.dataDirectory;
  if (told === undefined) {
    throw new PgarcError('usage', 'the data directory is not known', {
      hint: 'Name it, set PGDATA, or grant pg_read_all_settings to the user that takes backups.',
    });
  }
  const pgdata = await requireDataDirectory(told);
  const { control } = await loadControlFile(pgdata);
  await requireSameCluster(pgdata, control.systemIdentifier, facts);
  requireArchiving(facts);
  return { session, facts, pgdata };
}

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
