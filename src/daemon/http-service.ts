import { messageOf } from '../errors.ts';
import { type HttpServer, startHttp } from './http.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';
import type { DaemonParts, DaemonService } from './services.ts';

/**
 * Health and metrics over HTTP, and health on the socket. A port that is taken is a warning: archiving is worth more
 * than being looked at.
 */
export async function createHttpService({ settings, bus }: DaemonParts): Promise<DaemonService> {
  const isOff = settings.httpListen === 'off';
  const readiness = new Readiness();
  const metrics: Metrics | undefined = isOff ? undefined : createMetrics();
  const silence = bus.listen((event) => {
    readiness.hear(event);
    metrics?.hear(event);
  });
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
      await server?.close();
      server = undefined;
    },
  };
}
