import { describe, expect, it } from 'vitest';
import { clusterKeys } from '../../../src/cluster/keys.ts';

describe('keys of a scope', () => {
  it.each(['/service/', '/service', 'service', 'service/'])(
    'are Patroni’s with namespace %s',
    (etcdNamespace) => {
      const keys = clusterKeys({ etcdNamespace, scope: 'main' });
      expect(keys.waleBackupList).toBe('/service/main/wale-backup-list');
      expect(keys.backups).toBe('/service/main/pgarc/backups');
      expect(keys.lock('backup')).toBe('/service/main/pgarc/lock/backup');
      expect(keys.run('retain')).toBe('/service/main/pgarc/runs/retain');
      expect(keys.member('db1')).toBe('/service/main/pgarc/members/db1');
      expect(keys.leader).toBe('/service/main/pgarc/leader');
    },
  );

  it('one range holds the list and its time, and nothing else', () => {
    const keys = clusterKeys({ etcdNamespace: '/a/b/', scope: 'main' });
    const { backups, backupsRead, ...others } = keys;
    expect(backups).toBe('/a/b/main/pgarc/backups');
    expect(backupsRead.startsWith(backups)).toBe(true);
    const rest = Object.values(others).filter((value) => typeof value === 'string');
    expect(rest.filter((key) => key.startsWith(backups))).toEqual([]);
  });
});
