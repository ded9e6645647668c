import { listRuns } from '../cluster/runs.ts';
import { messageOf } from '../errors.ts';
import { type JobRecord, lastEnded } from '../schedule/job-record.ts';
import { createSpoolBook } from '../schedule/spool-book.ts';
import { type HttpServer, startHttp } from './http.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';
import type { DaemonParts, DaemonService } from './services.ts';

/**
 * Health and metrics over HTTP, and health on the socket. A port that is taken is a warning: archiving is worth more
 * than being looked at.
 */
export async function createHttpService(parts: DaemonParts): Promise<DaemonService> {
  const { settings, bus } = parts;
  const isOff = settings.httpListen === 'off';
  const readiness = new Readiness();
  const metrics: Metrics | undefined = isOff ? undefined : createMetrics();
  const silence = bus.listen((event) => {
    readiness.hear(event);
    metrics?.hear(event);
  });
  const abort = new AbortController();
  // Nobody waits for it: etcd may be away.
  const recalling = metrics && recallRuns(parts, metrics, abort.signal).catch(() => undefined);
  let server: HttpServer | undefined;
  try {
    if (metrics !== undefined) {
      server = await startHttp({ listen: settings.httpListen, checks: () => readiness.checks(), metrics });
      bus.emit({ type: 'httpListening', url: server.url });
    }
  } catch (error) {
    bus.emit({
      type: 'warning',
      message: `no metrics and health checks: cannot listen on ${settings.httpListen}: ${messageOf(error)}`,
      hint: 'Set http-listen to a free address and port, or to off.',
    });
  }
  return {
    routes: { '/readyz': async () => ({ json: { checks: readiness.checks() } }) },
    async clusterFound({ pgdata }) {
      readiness.noteCluster(pgdata);
    },
    async clusterLost() {
      readiness.noteCluster(undefined);
    },
    async stop() {
      readiness.noteStop();
      silence();
      abort.abort();
      await recalling;
      await server?.close();
      server = undefined;
    },
  };
}

/** Reads how the last runs ended, so that a daemon that is restarted does not forget when the last backup was. */
async function recallRuns(
  { cluster, spool }: DaemonParts,
  metrics: Metrics,
  signal: AbortSignal,
): Promise<void> {
  const records: readonly JobRecord[] =
    cluster === undefined
      ? await createSpoolBook(spool.folder).list(signal)
      : (await listRuns(cluster, signal)).map(({ record }) => record);
  for (const record of records) {
    const run = lastEnded(record);
    if (run !== undefined) metrics.recall(record.job, run);
  }
}
