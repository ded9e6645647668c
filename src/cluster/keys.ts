import type { Settings } from '../config/settings.ts';

/** What one process at a time does in a scope. */
export type LockName = 'backup' | 'retain' | 'verify';

/** The keys of one scope in etcd. docs/etcd.md describes what each holds. */
export interface ClusterKeys {
  /** All of pgarc's own, with `/` at the end. */
  readonly own: string;
  readonly waleBackupList: string;
  readonly backups: string;
  /** When the list in `backups` was found unchanged; begins with `backups`, so that one range holds both. */
  readonly backupsRead: string;
  readonly leader: string;
  readonly runs: string;
  readonly members: string;
  lock(name: LockName): string;
  run(job: string): string;
  member(node: string): string;
}

/** The keys below `etcd-namespace` and `scope`, as Patroni builds them: `/service/SCOPE/`. */
export function clusterKeys(settings: Pick<Settings, 'etcdNamespace' | 'scope'>): ClusterKeys {
  const namespace = settings.etcdNamespace.replace(/^\/+|\/+$/g, '');
  const scope = `${namespace === '' ? '' : `/${namespace}`}/${settings.scope}/`;
  const own = `${scope}pgarc/`;
  return {
    own,
    waleBackupList: `${scope}wale-backup-list`,
    backups: `${own}backups`,
    backupsRead: `${own}backups-read`,
    leader: `${own}leader`,
    runs: `${own}runs/`,
    members: `${own}members/`,
    lock: (name) => `${own}lock/${name}`,
    run: (job) => `${own}runs/${job}`,
    member: (node) => `${own}members/${node}`,
  };
}
