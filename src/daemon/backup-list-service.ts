import { listBackups } from '../backup/catalog.ts';
import { readBackupCache, writeBackupCache } from '../cluster/backup-cache.ts';
import { readLeader } from '../cluster/leadership.ts';
import { isPgarcError, messageOf } from '../errors.ts';
import type { PgarcEvent } from '../report/events.ts';
import type { DaemonParts, DaemonService } from './services.ts';

export interface BackupListOptions {
  /** ms between two looks at the store; default five minutes. */
  interval?: number;
  /** ms until the next try after a failure. */
  retryAfter?: number;
}

/**
 * Keeps the lists of backups in etcd fresh: at the start, every five minutes, and after each job that changed them.
 * The node that leads does it, or any while nobody leads or the leader does not. Without etcd the list is read
 * after such a job alone, for the daemon's other parts.
 */
export async function createBackupListService(
  { cluster, store, bus }: DaemonParts,
  { interval = 5 * 60_000, retryAfter = 30_000 }: BackupListOptions = {},
): Promise<DaemonService> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isWanted = false;
  let isFailing = false;

  async function refresh(isChanged: boolean): Promise<void> {
    if (cluster === undefined && !isChanged) return;
    if (cluster !== undefined && !isChanged && (await isKeptByLeader(cluster))) return;
    const readAt = new Date();
    const backups = await listBackups(store, abort.signal);
    bus.emit({ type: 'backupsListed', backups });
    if (cluster === undefined) return;
    await writeBackupCache({ ...cluster, emit: bus.emit }, { backups, readAt }, abort.signal);
  }

  async function isKeptByLeader(deps: NonNullable<typeof cluster>): Promise<boolean> {
    const leader = await readLeader(deps, abort.signal);
    if (leader === undefined || leader.node === deps.node) return false;
    const cached = await readBackupCache({ ...deps, emit: () => undefined }, abort.signal);
    return cached !== undefined && Date.now() - cached.readAt.getTime() < 2 * interval;
  }

  async function run(isChanged: boolean): Promise<void> {
    let pause = interval;
    try {
      await refresh(isChanged);
      isFailing = false;
    } catch (error) {
      if (abort.signal.aborted) return;
      pause = Math.min(interval, retryAfter);
      tell(error);
    }
    const again = isWanted;
    isWanted = false;
    plan(again ? 0 : pause, again);
  }

  /** Of a store or an etcd that is down others tell. */
  function tell(error: unknown): void {
    if (isPgarcError(error, 'store-unreachable') || isFailing) return;
    isFailing = true;
    if (isPgarcError(error, 'etcd-unreachable')) return;
    bus.emit({
      type: 'warning',
      message: `the lists of backups in etcd are not refreshed: ${messageOf(error)}`,
    });
  }

  function plan(delay: number, isChanged: boolean): void {
    clearTimeout(timer);
    if (abort.signal.aborted) return;
    timer = setTimeout(() => {
      running = run(isChanged).finally(() => {
        running = undefined;
      });
    }, delay);
  }

  const silence = bus.listen((event) => {
    const isAnew = event.type === 'etcdWiped' || event.type === 'etcdUp';
    if (isAnew && running === undefined) plan(0, false);
    if (!changesBackups(event)) return;
    if (running === undefined) plan(0, true);
    else isWanted = true;
  });
  plan(0, false);
  return {
    async stop() {
      silence();
      clearTimeout(timer);
      abort.abort();
      await running;
    },
  };
}

/** A broken-off deletion has changed them too. */
function changesBackups(event: PgarcEvent): boolean {
  return (event.type === 'jobFinished' || event.type === 'jobFailed') && event.job !== 'verify';
}
