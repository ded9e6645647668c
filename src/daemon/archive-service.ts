import type { Backup } from '../backup/catalog.ts';
import { isPgarcError, messageOf } from '../errors.ts';
import { hasSchedule, jobsOf } from '../schedule/jobs.ts';
import { scanArchive } from '../status/archive-scan.ts';
import { readScan, writeScan } from '../status/scan-file.ts';
import { ScanTimer } from './scan-timer.ts';
import type { DaemonParts, DaemonService } from './services.ts';

export interface ArchiveOptions {
  /** ms between two looks whether a scan is due. */
  tick?: number;
  /** ms between two scans at least. */
  interval?: number;
}

/** A list of backups older than this is read again before a scan, ms. */
const OLDEST_LIST = 10 * 60_000;

/**
 * Lists the archive's WAL now and then, for the metrics of window and gaps and for `pgarc status`: on the node that
 * leads, or on each nobody is elected, and never while the store does not answer.
 */
export async function createArchiveService(
  { settings, cluster, store, spool, bus, deadline }: DaemonParts,
  { tick = 5000, interval = 15 * 60_000 }: ArchiveOptions = {},
): Promise<DaemonService> {
  // A daemon that is restarted need not list everything again.
  const last = await readScan(spool.folder, store.location);
  const timer = new ScanTimer({
    interval,
    // Nodes without scheduled jobs elect nobody.
    hasElection: cluster !== undefined && hasSchedule(jobsOf(settings)),
    age: last && Date.now() - Date.parse(last.at),
  });
  const abort = new AbortController();
  let list: { backups: readonly Backup[]; readAt: number } | undefined;
  let running: Promise<void> | undefined;
  let hasWarned = false;

  async function readBackups(): Promise<readonly Backup[]> {
    if (list !== undefined && performance.now() - list.readAt < OLDEST_LIST) return list.backups;
    const { listBackups } = await import('../backup/catalog.ts');
    const backups = await listBackups(store, abort.signal);
    bus.emit({ type: 'backupsListed', backups });
    return backups;
  }

  async function scan(): Promise<void> {
    const begin = performance.now();
    try {
      const found = await scanArchive({ store, backups: await readBackups() }, abort.signal);
      bus.emit({ type: 'archiveScanned', scan: found });
      // A daemon that starts anew lists it again.
      await writeScan(spool.folder, store.location, found).catch(() => undefined);
      hasWarned = false;
    } catch (error) {
      // A store that does not answer is told of by others; the rest once.
      if (abort.signal.aborted || isPgarcError(error, 'store-unreachable') || hasWarned) return;
      hasWarned = true;
      bus.emit({ type: 'warning', message: `the archive cannot be looked through: ${messageOf(error)}` });
    } finally {
      timer.noteEnd(performance.now() - begin);
    }
  }

  const silence = bus.listen((event) => {
    timer.hear(event);
    if (event.type === 'jobFinished' || event.type === 'jobFailed') list = undefined;
    if (event.type === 'backupsListed') list = { backups: event.backups, readAt: performance.now() };
  });
  const ticking = setInterval(() => {
    if (running !== undefined || !timer.isDue) return;
    running = scan().finally(() => {
      running = undefined;
    });
  }, tick).unref();

  if (last !== undefined) bus.emit({ type: 'archiveScanned', scan: last });
  return {
    async stop() {
      clearInterval(ticking);
      silence();
      abort.abort(deadline.reason);
      await running;
    },
  };
}
