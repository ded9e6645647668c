import { PgarcError } from '../../errors.ts';
import { type BackupSession, startBackupSession } from '../../postgres/backup-session.ts';
import { NEEDS_PRIMARY } from '../../postgres/needs-primary.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { nameFullBackup } from '../format/backup-name.ts';
import { type Claim, claimBackup } from './claim.ts';
import type { Server } from './preflight.ts';

/** A backup that has begun, under a name that is its own. */
export interface Started {
  backup: BackupSession;
  claim: Claim;
}

const LABEL = 'pgarc backup-push';
/** A name can be taken by what another tool left; the next segment is another name. */
const START_ATTEMPTS = 3;

/**
 * Starts a backup whose name nobody else has.
 * @param watchInterval how often the server is asked whether all is as it was, ms; undefined for the usual
 * @throws PgarcError `refused` when the name is taken
 */
export async function startClaimed(
  { store, emit }: { store: ObjectStore; emit: Emit },
  { session, facts, pgdata }: Server,
  watchInterval: number | undefined,
  signal: AbortSignal,
): Promise<Started> {
  const watch = watchInterval === undefined ? {} : { watchInterval };
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const backup = await startBackupSession(session, facts, { label: LABEL, signal, ...watch });
    const name = nameFullBackup(backup.timeline, backup.startLsn, facts.segmentSize);
    try {
      const owner = { dataDir: pgdata, systemIdentifier: facts.systemIdentifier };
      const claim = await claimBackup(store, name, owner, signal);
      if (claim !== undefined) return { backup, claim };
    } catch (error) {
      await backup.abandon();
      throw error;
    }
    await backup.abandon();
    // A primary begins each backup in a segment of its own; a standby where its last restartpoint was.
    if (facts.inRecovery || attempt === START_ATTEMPTS) throw describeTaken(name, facts.inRecovery);
    emit({ type: 'warning', message: `${name} exists already, trying the next segment` });
  }
}

function describeTaken(name: string, inRecovery: boolean): PgarcError {
  return new PgarcError(
    'refused',
    `a backup that starts in this WAL segment exists or is being made: ${name}`,
    {
      hint: inRecovery
        ? 'On the primary run: checkpoint; select pg_switch_wal(); checkpoint; and try again when this standby has replayed it.'
        : 'Try again in a moment.',
      // A standby's next restartpoint is minutes away.
      retryable: true,
      ...(inRecovery ? { details: { reason: NEEDS_PRIMARY } } : {}),
    },
  );
}
