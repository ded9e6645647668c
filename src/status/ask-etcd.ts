import { readBackupCache } from '../cluster/backup-cache.ts';
import { openEtcd } from '../cluster/etcd.ts';
import { clusterKeys } from '../cluster/keys.ts';
import { readLeader } from '../cluster/leadership.ts';
import { listMembers } from '../cluster/members.ts';
import { listRuns } from '../cluster/runs.ts';
import type { Settings } from '../config/settings.ts';
import type { JobRecord } from '../schedule/job-record.ts';
import type { EtcdFacts } from './facts.ts';

/** Deadline of one request to one member, ms: one that hangs shall not cost the others their turn. */
const MEMBER_TIMEOUT = 450;

/**
 * Reads what the nodes of the scope have in etcd. @returns undefined when none is set
 * @throws PgarcError `etcd-unreachable`, `setting-invalid`
 */
export async function askEtcd(
  settings: Settings,
  signal: AbortSignal,
): Promise<(EtcdFacts & { runs: JobRecord[] }) | undefined> {
  const etcdTimeout = Math.min(settings.etcdTimeout, MEMBER_TIMEOUT);
  const etcd = openEtcd({ ...settings, etcdTimeout });
  if (etcd === undefined) return undefined;
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
