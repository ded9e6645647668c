import type { Handlers, Meters } from '../daemon/metrics-meters.ts';

/** How bootstraps of replicas on this host ended. */
export function createReplicaMetrics({ counter }: Meters): Handlers {
  const decisions = counter(
    'pgarc_replica_decisions_total',
    'Bootstraps of replicas on this host, by how they ended',
    'decision',
    'reason',
  );
  return { replicaDecided: ({ verdict, reason }) => decisions.inc({ decision: verdict, reason }) };
}
