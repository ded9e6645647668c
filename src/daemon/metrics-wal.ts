import type { Handlers, Meters } from './metrics-meters.ts';

/** How WAL comes and goes. */
export function createWalMetrics({ counter, histogram, level, seconds }: Meters): Handlers {
  const archived = counter('pgarc_wal_archived_total', 'WAL files that are stored', 'outcome');
  const pushFailures = counter(
    'pgarc_wal_push_failures_total',
    'Failed attempts to store a WAL file',
    'reason',
  );
  const pushSeconds = histogram('pgarc_wal_push_duration_seconds', 'Time to store a WAL file');
  const lastArchived = level(
    'pgarc_wal_last_archived_timestamp_seconds',
    'When the last WAL file was stored',
  );
  const lastPushFailure = level(
    'pgarc_wal_last_push_failure_timestamp_seconds',
    'When storing one failed last',
  );
  const ready = level('pgarc_wal_ready_files', 'WAL files that PostgreSQL wants archived');
  const hits = counter('pgarc_wal_prefetch_hits_total', 'WAL files handed over that had been fetched ahead');
  const misses = counter('pgarc_wal_prefetch_misses_total', 'WAL files that were fetched when asked for');
  const fetchSeconds = histogram(
    'pgarc_wal_fetch_duration_seconds',
    'Time to fetch a WAL file that was asked for',
  );
  const fetchFailures = counter('pgarc_wal_fetch_failures_total', 'Failed requests for a WAL file', 'reason');
  return {
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
  };
}
