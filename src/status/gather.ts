import { hostname } from 'node:os';
import type { Settings } from '../config/settings.ts';
import { connectPostgres } from '../postgres/connection.ts';
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

export interface GatherOptions {
  /** ms that each source has; all are asked at once. */
  limit?: number;
}

/** With the start of Node this makes less than two seconds. */
const LIMIT = 1500;

/** Asks all sources at once, and waits for none longer than its time. Throws only when the signal aborts. */
export async function gatherFacts(
  settings: Settings,
  { limit = LIMIT }: GatherOptions,
  signal: AbortSignal,
): Promise<StatusFacts> {
  const { pgdata, spool, store } = settings;
  const keptScan = store === undefined ? undefined : await readScan(spool, store);
  const [postgres, files, stored, etcd, daemon] = await Promise.all([
    attempt(limit, signal, (own) => readPostgres(settings, own)),
    attempt(limit, signal, async () => (pgdata === undefined ? undefined : askFiles(pgdata))),
    askStore(settings, keptScan, limit, signal),
    attempt(limit, signal, (own) => askEtcd(settings, own)),
    attempt(limit, signal, (own) => askDaemon(settings, own)),
  ]);
  const now = new Date();
  const runs = answered(etcd)?.runs;
  const jobs = await attempt(limit, signal, (own) => askJobs(settings, answered(daemon), runs, now, own));
  return {
    now,
    node: settings.nodeName,
    host: hostname(),
    scope: settings.scope,
    store,
    pgdata,
    postgres,
    files,
    ...stored,
    keptScan,
    etcd,
    daemon,
    jobs,
  };
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
