import { collectDefaultMetrics, Registry } from 'prom-client';
import { createReplicaMetrics } from '../replica/metrics.ts';
import type { PgarcEvent } from '../report/events.ts';
import { createArchiveMetrics } from './metrics-archive.ts';
import { createJobMetrics, type JobMetrics } from './metrics-jobs.ts';
import { createMeters, type Handlers } from './metrics-meters.ts';
import { createStoreMetrics } from './metrics-store.ts';
import { createWalMetrics } from './metrics-wal.ts';

/** The daemon's metrics: counts of what it tells, in Prometheus' text form. Each is described in docs/daemon.md. */
export interface Metrics {
  /** Hears every event of the daemon. */
  hear(event: PgarcEvent): void;
  /** How a run ended before this daemon began. */
  recall: JobMetrics['recall'];
  /** `text/plain; version=0.0.4; charset=utf-8`. */
  readonly contentType: string;
  render(): Promise<string>;
}

/**
 * Counts from now on. What is counted starts at nought; what is a moment or a level is absent until it is known.
 * @param now ms since 1970
 */
export function createMetrics(now: () => number = Date.now): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const meters = createMeters(registry, now);
  const jobs = createJobMetrics(meters);
  const groups: readonly Handlers[] = [
    createWalMetrics(meters),
    createStoreMetrics(meters),
    jobs.handlers,
    createArchiveMetrics(meters),
    createReplicaMetrics(meters),
  ];
  return {
    hear(event) {
      for (const handlers of groups) handlers[event.type]?.(event as never);
    },
    recall: jobs.recall,
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}
