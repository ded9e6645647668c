import { readBackupCache } from '../cluster/backup-cache.ts';
import { openEtcd } from '../cluster/etcd.ts';
import { clusterKeys } from '../cluster/keys.ts';
import { readLeader } from '../cluster/leadership.ts';
import { listMembers } from '../cluster/members.ts';
import { listRuns } from '../cluster/runs.ts';
import type { Settings } from '../config/settings.ts';
import type { JobRecord } from '../schedule/job-record.ts';
import type { EtcdFacts } from './facts.ts';

/** What etcd says, and the last run of each job. */
export type EtcdAnswer = EtcdFacts & { runs: JobRecord[] };

/**
 * Reads what the nodes of the scope have in etcd. All its members are asked at once, so that one that hangs does not
 * cost the others their turn.
 * @param timeout ms for one request
 * @returns undefined when none is set
 * @throws PgarcError `etcd-unreachable`, `setting-invalid`
 */
export async function askEtcd(
  settings: Settings,
  timeout: number,
  signal: AbortSignal,
): Promise<EtcdAnswer | undefined> {
  if (settings.etcdEndpoints.length === 0 || settings.scope === undefined) return undefined;
  const enough = new AbortController();
  const combined = AbortSignal.any([signal, enough.signal]);
  const members = settings.etcdEndpoints.map((endpoint) =>
    askMember({ ...settings, etcdEndpoints: [endpoint], etcdTimeout: timeout }, combined),
  );
  try {
    const { location: _, ...rest } = await Promise.any(members);
    return { ...rest, location: settings.etcdEndpoints.join(', ') };
  } catch (error) {
    // None answered: the first says why as well as any.
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    enough.abort();
  }
}

async function askMember(settings: Settings, signal: AbortSignal): Promise<EtcdAnswer> {
  const etcd = openEtcd(settings)!;
  const deps = { etcd, keys: clusterKeys(settings), emit: () => undefined };
  try {
    const [leader, members, runs, backups] = await Promise.all([
      readLeader(deps, signal),
      listMembers(deps, signal),
      listRuns(deps, signal),
      readBackupCache(deps, signal),
    ]);
    return {
      location: etcd.location,
      leader,
      members,
      backups: backups && { list: backups.backups, readAt: backups.readAt },
      runs: runs.map(({ record }) => record),
    };
  } finally {
    etcd.close();
  }
}
