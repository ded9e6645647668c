import { beforeAll, expect, test } from 'vitest';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { type ClusterLedger, startClusterLedger } from '../support/patroni-ledger.ts';
import { waitFor } from '../support/wait.ts';

let cluster: PatroniCluster;
let ledger: ClusterLedger;
let moment: Awaited<ReturnType<ClusterLedger['remember']>>;

beforeAll(async () => {
  cluster = await makePatroniCluster({ nodes: 2 });
  for (const node of cluster.nodes) node.start();
  await cluster.whole();
  ledger = await startClusterLedger(cluster);
  await ledger.grow(50);
  moment = await ledger.remember();
  await ledger.grow(50);
  await ledger.stop();
  const leader = await cluster.leader();
  await leader.query('SELECT pg_switch_wal()');
  await waitFor(
    async () =>
      (await leader.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) ===
      '0',
    { what: 'all WAL to be archived' },
  );
  await hasBackup(cluster);
});

async function hasBackup(of: PatroniCluster): Promise<void> {
  await waitFor(
    async () => (await of.keys('basebackups_005/')).some((key) => key.endsWith('_sentinel.json')),
    { what: 'a backup', timeout: 120_000 },
  );
}

/** Nothing of the nodes and nothing in etcd is left; only the archive. */
async function loseEverything(): Promise<void> {
  for (const node of cluster.nodes) {
    await node.kill();
    await node.wipe();
  }
  await cluster.etcd.ctl('del', '--prefix', `/service/${cluster.scope}/`);
}

test('the whole cluster is lost and rebuilt from the archive, to its end', async () => {
  await loseEverything();
  for (const node of cluster.nodes) node.start();
  const leader = await cluster.whole();
  expect(await leader.log()).toContain('beginning the cluster from the archive');
  expect(await ledger.missing(leader)).toEqual([]);
  // It archives on, on a timeline of its own.
  await leader.query('SELECT pg_switch_wal()');
  await waitFor(async () => (await cluster.keys('wal_005/00000002')).length > 1, {
    what: 'WAL of the second timeline',
  });
});

test('a clone under another scope has all data, and does not touch the archive it came from', async () => {
  // Whatever comes there now is the clone's.
  for (const node of cluster.nodes) await node.stop();
  const before = await cluster.keys();
  const copy = await makePatroniCluster({
    scope: 'copy',
    nodes: 1,
    beside: cluster,
    env: { BOOTSTRAP_FROM_SCOPE: cluster.scope },
  });
  copy.nodes[0]!.start();
  const leader = await copy.leader();
  expect(await ledger.missing(leader)).toEqual([]);
  await leader.query('CREATE TABLE only_here (id int)');
  // Its own archive begins with its own first backup.
  await hasBackup(copy);
  expect(await cluster.keys()).toEqual(before);
  await leader.stop();
});

test('the whole cluster is lost and rebuilt to a moment', async () => {
  await loseEverything();
  for (const node of cluster.nodes) node.start({ BOOTSTRAP_TARGET_TIME: moment.time });
  const leader = await cluster.whole();
  const rows = await leader.query<{ id: string }>('SELECT id FROM ledger');
  const there = new Set(rows.map(({ id }) => Number(id)));
  expect([...moment.acknowledged].filter((id) => !there.has(id))).toEqual([]);
  expect([...there].filter((id) => id > moment.sent)).toEqual([]);
});
