import { beforeAll, expect, test } from 'vitest';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { waitFor } from '../support/wait.ts';

let cluster: PatroniCluster;

beforeAll(async () => {
  cluster = await makePatroniCluster();
});

test('the first leader archives its WAL and takes the first backup at once', async () => {
  const [first] = cluster.nodes;
  first!.start();
  await cluster.leader();
  const sentinels = await waitFor(
    async () => {
      const keys = await cluster.keys('basebackups_005/');
      const found = keys.filter((key) => key.endsWith('_backup_stop_sentinel.json'));
      return found.length > 0 && found;
    },
    { timeout: 120_000, what: 'the first backup' },
  );
  expect(sentinels).toHaveLength(1);
  expect((await cluster.keys('wal_005/')).length).toBeGreaterThan(0);
});
