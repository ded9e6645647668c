import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PgarcEvent } from '../report/events.ts';

/** Upper bounds of the histograms, seconds. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Handlers = {
  [Type in PgarcEvent['type']]?: (event: Extract<PgarcEvent, { type: Type }>) => void;
};

/** The daemon's metrics: counts of what it tells, in Prometheus' text form. Each is described in docs/daemon.md. */
export interface Metrics {
  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void;
  /** `text/plain; version=0.0.4; charset=utf-8`. */
  readonly contentType: string;
  render(): Promise<string>;
}

/**
 * Counts from now on. What is counted starts at nought; what is a moment or a level is absent until it is known,
 * because a nought there would be a statement.
 * @param now ms since 1970
 */
export function createMetrics(now: () => number = Date.now): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: BUCKETS, registers });
  const gauge = (name: string, help: string) => {
    let known: Gauge | undefined;
    return (value: number) => {
      known ??= new Gauge({ name, help, registers });
      known.set(value);
    };
  };

  const archived = counter('pgarc_wal_archived_total', 'WAL files that are stored', 'outcome');
  const pushFailures = counter(
    'pgarc_wal_push_failures_total',
    'Failed attempts to store a WAL file',
    'reason',
  );
  const pushSeconds = histogram('pgarc_wal_push_duration_seconds', 'Time to store a WAL file');
  const lastArchived = gauge(
    'pgarc_wal_last_archived_timestamp_seconds',
    'When the last WAL file was stored',
  );
  const lastPushFailure = gauge(
    'pgarc_wal_last_push_failure_timestamp_seconds',
    'When storing one failed last',
  );
  const ready = gauge('pgarc_wal_ready_files', 'WAL files that PostgreSQL wants archived');
  const hits = counter('pgarc_wal_prefetch_hits_total', 'WAL files handed over that had been fetched ahead');
  const misses = counter('pgarc_wal_prefetch_misses_total', 'WAL files that were fetched when asked for');
  const fetchSeconds = histogram(
    'pgarc_wal_fetch_duration_seconds',
    'Time to fetch a WAL file that was asked for',
  );
  const fetchFailures = counter('pgarc_wal_fetch_failures_total', 'Failed requests for a WAL file', 'reason');
  const requests = counter('pgarc_store_requests_total', 'Requests to the store', 'method', 'status');
  const retries = counter('pgarc_store_retries_total', 'Operations on the store that were tried again');
  const bytes = counter(
    'pgarc_store_bytes_total',
    'Bytes of the bodies of requests and answers',
    'direction',
  );
  const lastAnswer = gauge('pgarc_store_last_answer_timestamp_seconds', 'When the store answered last');

  const seconds = () => now() / 1000;
  const handlers: Handlers = {
    walPushed({ durationMs }) {
      archived.inc({ outcome: 'stored' });
      pushSeconds.observe(durationMs / 1000);
      lastArchived(seconds());
    },
    walAlreadyStored() {
      archived.inc({ outcome: 'already-stored' });
      lastArchived(seconds());
    },
    walPushFailed({ code }) {
      pushFailures.inc({ reason: code });
      lastPushFailure(seconds());
    },
    walBacklog: ({ files }) => ready(files),
    walTaken: ({ ahead }) => (ahead ? hits : misses).inc(),
    walFetched: ({ durationMs }) => fetchSeconds.observe(durationMs / 1000),
    walFetchFailed: ({ code }) => fetchFailures.inc({ reason: code }),
    storeRetry: () => retries.inc(),
    storeRequest({ method, status, sentBytes, receivedBytes }) {
      requests.inc({ method, status: String(status ?? 'none') });
      bytes.inc({ direction: 'sent' }, sentBytes);
      bytes.inc({ direction: 'received' }, receivedBytes);
      if (status !== undefined && status < 500) lastAnswer(seconds());
    },
  };
  return {
    hear: (event) => handlers[event.type]?.(event as never),
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}
