import { setTimeout as sleep } from 'node:timers/promises';
import { PgarcError } from '../errors.ts';
import { parseBackupLabel } from './backup-label.ts';
import type { PostgresSession } from './connection.ts';
import type { Lsn } from './lsn.ts';
import { NEEDS_PRIMARY } from './needs-primary.ts';
import { requireLsn, type ServerFacts } from './server.ts';
import { majorVersion } from './version.ts';

/** A base backup the server knows of: from its start to stop(), or to the end of the connection. */
export interface BackupSession {
  readonly startLsn: Lsn;
  readonly timeline: number;
  /**
   * Aborts, with a PgarcError as its reason, when the backup cannot become a good one any more: the
   * connection was lost, the standby promoted, the timeline changed.
   */
  readonly ended: AbortSignal;
  /** Ends the backup. Does not wait for archiving. @throws PgarcError also when it is no good */
  stop(): Promise<StoppedBackup>;
  /** Ends the backup whatever state it is in. Never throws. */
  abandon(): Promise<void>;
}

export interface StoppedBackup {
  stopLsn: Lsn;
  backupLabel: string;
  /** Empty without tablespaces. */
  tablespaceMap: string;
}

export interface BackupSessionOptions {
  label: string;
  /** How often the server is asked whether all is as it was, ms. */
  watchInterval?: number;
  /** The checkpoint may take long: when it aborts, the caller closes the session. */
  signal: AbortSignal;
}

const WATCH_INTERVAL = 2_000;
const NEW_NAMES = 15;

/** What ends a long statement, or a long session, by the major version that brought it. */
const LIMITS: readonly [name: string, since: number][] = [
  ['statement_timeout', 0],
  ['lock_timeout', 0],
  ['idle_session_timeout', 14],
  ['transaction_timeout', 17],
];

/** Key of the advisory lock: "pgar" and 1. */
const LOCK_KEY = 0x70676172;
/** The server needs a moment to notice that a killed process is gone, ms. */
const LOCK_GRACE = 2_000;
const LOCK_INTERVAL = 100;

/**
 * Allows one backup a server: an advisory lock of the session. It needs no file that outlives a killed
 * process, works on a standby as well, and ends with the session that the backup needs anyway.
 * @throws PgarcError `locked`
 */
export async function lockBackups(session: PostgresSession, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + LOCK_GRACE;
  for (;;) {
    const [row] = await session.query(`select pg_try_advisory_lock(${LOCK_KEY}, 1) as locked`);
    if (row?.locked === true) return;
    if (performance.now() > deadline) break;
    await sleep(LOCK_INTERVAL, undefined, { signal });
  }
  const [holder] = await session.query(
    `select a.pid, a.backend_start from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.classid = ${LOCK_KEY} and l.objid = 1 and l.granted`,
  );
  const since = holder?.backend_start instanceof Date ? `, since ${holder.backend_start.toISOString()}` : '';
  const who = holder === undefined ? '' : ` (server process ${String(holder.pid)}${since})`;
  throw new PgarcError('locked', `another backup of this server is running${who}`, {
    hint: 'Wait for it to end, or end it with pg_terminate_backend.',
  });
}

/**
 * Starts a backup with a fast checkpoint, on a primary or a standby, and watches over it.
 * PostgreSQL: pg_backup_start (pg_start_backup before 15), non-exclusive.
 * @throws PgarcError `refused`, retryable, for a standby that follows a timeline on which it has had no restartpoint
 */
export async function startBackupSession(
  session: PostgresSession,
  facts: ServerFacts,
  options: BackupSessionOptions,
): Promise<BackupSession> {
  const isNew = majorVersion(facts.versionNumber) >= NEW_NAMES;
  await prepare(session, facts);
  const call = isNew ? 'pg_backup_start($1, true)' : 'pg_start_backup($1, true, false)';
  const [started] = await session.query(`select ${call}::text as lsn`, [options.label], options.signal);
  const startLsn = requireLsn(started?.lsn);
  const { checkpointed: timeline, newest, recovering } = await readTimelines(session);
  if (recovering && newest !== timeline) {
    await giveUp(session, isNew);
    throw describeStale(timeline, newest);
  }
  const ended = new AbortController();
  const watch = watchBackup(session, facts.inRecovery, timeline, options, ended);

  return {
    startLsn,
    timeline,
    ended: ended.signal,
    async stop() {
      await watch.stop();
      ended.signal.throwIfAborted();
      await checkServer(session, facts.inRecovery, timeline);
      const stopped = await callStop(session, isNew);
      // A standby may have gone over to another timeline between the two, and the backup's end is there then.
      await checkServer(session, facts.inRecovery, timeline);
      const label = parseBackupLabel(stopped.backupLabel);
      if (label.timeline !== timeline || label.startLsn !== startLsn) {
        throw new PgarcError('failed', 'the backup label does not belong to the backup that was started', {
          hint: 'Take the backup again.',
        });
      }
      return stopped;
    },
    async abandon() {
      await watch.stop();
      await giveUp(session, isNew);
    },
  };
}

async function callStop(session: PostgresSession, isNew: boolean): Promise<StoppedBackup> {
  const call = isNew ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
  const [row] = await session.query(`select lsn::text, labelfile, spcmapfile from ${call}`);
  return {
    stopLsn: requireLsn(row?.lsn),
    backupLabel: String(row?.labelfile ?? ''),
    tablespaceMap: String(row?.spcmapfile ?? ''),
  };
}

async function giveUp(session: PostgresSession, isNew: boolean): Promise<void> {
  try {
    await callStop(session, isNew);
  } catch {
    // The server aborts the backup itself when the session ends.
  }
}

/**
 * The checkpoint may take longer than an administrator allows a statement, and the backup than a session may idle.
 * The session is never idle within a transaction.
 */
async function prepare(session: PostgresSession, facts: ServerFacts): Promise<void> {
  const major = majorVersion(facts.versionNumber);
  const limits = LIMITS.filter(([, since]) => major >= since);
  await session.query(limits.map(([name]) => `set ${name} = 0`).join('; '));
}

interface Watch {
  /** Resolves when no query of the watch is under way any more. */
  stop(): Promise<void>;
}

function watchBackup(
  session: PostgresSession,
  inRecovery: boolean,
  timeline: number,
  options: BackupSessionOptions,
  ended: AbortController,
): Watch {
  let timer: NodeJS.Timeout | undefined;
  let asking: Promise<void> = Promise.resolve();
  let stopped = false;
  const end = (reason: unknown) => {
    if (!stopped && !ended.signal.aborted) ended.abort(reason);
  };
  const ask = async () => {
    try {
      await checkServer(session, inRecovery, timeline);
    } catch (error) {
      end(error);
    }
    schedule();
  };
  const schedule = () => {
    if (stopped || ended.signal.aborted) return;
    timer = setTimeout(() => {
      asking = ask();
    }, options.watchInterval ?? WATCH_INTERVAL);
  };
  const lose = () => end(session.lost.reason);
  if (session.lost.aborted) lose();
  session.lost.addEventListener('abort', lose, { once: true });
  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      session.lost.removeEventListener('abort', lose);
      await asking;
    },
  };
}

/** @throws PgarcError when the server is no longer what it was when the backup began */
async function checkServer(session: PostgresSession, inRecovery: boolean, timeline: number): Promise<void> {
  const now = await readTimelines(session);
  if (now.recovering !== inRecovery) {
    throw new PgarcError('failed', 'the standby was promoted during the backup', {
      hint: 'The backup is of no use and was given up; take it again.',
      retryable: true,
    });
  }
  if (now.newest !== timeline) {
    throw new PgarcError(
      'failed',
      `the timeline changed from ${timeline} to ${now.newest} during the backup`,
      {
        hint: 'The backup is of no use and was given up; take it again.',
        retryable: true,
      },
    );
  }
}

/** Such a backup would need WAL of two timelines, and could only be restored along the newer one. */
function describeStale(checkpointed: number, newest: number): PgarcError {
  return new PgarcError(
    'refused',
    `this standby follows timeline ${newest}, but its last restartpoint is on timeline ${checkpointed}`,
    {
      hint: 'On the primary run: checkpoint; and try again when this standby has replayed it, or take the backup on the primary.',
      // The primary makes one in its own time after a failover.
      retryable: true,
      details: { reason: NEEDS_PRIMARY },
    },
  );
}

interface Timelines {
  recovering: boolean;
  /** Of the last checkpoint or restartpoint. */
  checkpointed: number;
  /** The newest the server has followed. */
  newest: number;
}

async function readTimelines(session: PostgresSession): Promise<Timelines> {
  const [row] = await session.query(`
    select pg_is_in_recovery() as recovering, c.timeline_id as checkpointed,
           greatest(c.timeline_id, r.min_recovery_end_timeline,
                    (select received_tli from pg_stat_wal_receiver)) as newest
    from pg_control_checkpoint() c, pg_control_recovery() r`);
  return {
    recovering: row?.recovering === true,
    checkpointed: Number(row?.checkpointed),
    newest: Number(row?.newest),
  };
}
