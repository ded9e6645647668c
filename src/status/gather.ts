import { hostname } from 'node:os';
import type { ResolvedSettings } from '../config/resolve.ts';
import type { Settings } from '../config/settings.ts';
import { connectPostgres } from '../postgres/connection.ts';
import { openStore } from '../store/open.ts';
import { askDaemon } from './ask-daemon.ts';
import { askEtcd } from './ask-etcd.ts';
import { askFiles } from './ask-files.ts';
import { askJobs } from './ask-jobs.ts';
import { askPostgres } from './ask-postgres.ts';
import { askStore } from './ask-store.ts';
import { attempt } from './attempt.ts';
import type { StatusFacts } from './facts.ts';
import { answered } from './picture.ts';
import { readScan } from './scan-file.ts';

/** How long a request to the store that failed is tried again, ms: then its reason is told, while there is time. */
const RETRIES = 600;

/**
 * Asks all sources at once, and waits for none longer than its time. Throws only when the signal aborts.
 * @param limit ms that each source has
 */
export async function gatherFacts(
  { settings, origins }: Pick<ResolvedSettings, 'settings' | 'origins'>,
  limit: number,
  signal: AbortSignal,
): Promise<StatusFacts> {
  const { pgdata, spool, store } = settings;
  // Loads much code, which would keep the answers of the others waiting.
  const opened = await attempt(limit, signal, async () =>
    store === undefined
      ? undefined
      : openStore({ ...settings, requestTimeout: 2 * limit, storeTimeout: RETRIES }, () => undefined),
  );
  const keptScan = store === undefined ? undefined : await readScan(spool, store);
  const [postgres, files, stored, etcd, daemon] = await Promise.all([
    attempt(limit, signal, (own) => readPostgres(settings, own)),
    attempt(limit, signal, async () => (pgdata === undefined ? undefined : askFiles(pgdata))),
    askStore(opened, keptScan, limit, signal),
    attempt(limit, signal, (own) => askEtcd(settings, limit, own)),
    attempt(limit, signal, (own) => askDaemon(settings, own)),
  ]);
  answered(opened)?.close();
  const now = new Date();
  const runs = answered(etcd)?.runs;
  const sources = { daemon: answered(daemon), runs, lacksEtcd: etcd.state === 'failed' };
  const jobs = await attempt(limit, signal, (own) => askJobs(settings, sources, now, own));
  return {
    now,
    node: settings.nodeName,
    host: hostname(),
    scope: settings.scope,
    store,
    pgdata,
    hasPatroni: isPatroni(origins) || answered(files)?.hasPatroni === true,
    postgres,
    files,
    ...stored,
    keptScan,
    etcd,
    daemon,
    jobs,
  };
}

function isPatroni({ scope, nodeName }: ResolvedSettings['origins']): boolean {
  return [scope, nodeName].some(({ kind, name }) => kind === 'environment' && name.startsWith('PATRONI_'));
}

async function readPostgres(settings: Settings, signal: AbortSignal) {
  const session = await connectPostgres(settings, {
    pgdata: settings.pgdata,
    applicationName: 'pgarc status',
    signal,
  });
  try {
    return await askPostgres(session, signal);
  } finally {
    // A server that hangs does not answer to a goodbye either.
    void session.close();
  }
}
