import { beforeAll, expect, test } from 'vitest';
import { findSynchronous, makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { type ClusterLedger, startClusterLedger } from '../support/patroni-ledger.ts';
import { runPgarc } from '../support/pgarc.ts';
import { waitFor } from '../support/wait.ts';

let cluster: PatroniCluster;
let ledger: ClusterLedger;

beforeAll(async () => {
  cluster = await makePatroniCluster();
  for (const node of cluster.nodes) node.start();
  await cluster.whole();
  ledger = await startClusterLedger(cluster);
});

/** All nodes are there again, the writer goes on, and every node has all that was ever acknowledged. */
async function expectNothingLost(): Promise<void> {
  await ledger.grow(20);
  const leader = await cluster.whole();
  const lsn = await leader.value('SELECT pg_current_wal_lsn()');
  expect(await ledger.missing(leader)).toEqual([]);
  for (const node of cluster.nodes) {
    if (node === leader) continue;
    await waitFor(async () => (await node.value(`SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === 'true', {
      what: `${node.name} to replay ${lsn}`,
    });
  }
}

test('a planned switchover', async () => {
  const leader = await cluster.whole();
  await ledger.grow(20);
  const candidate = (await findSynchronous(cluster, leader))!;
  await cluster.ctl('switchover', '--leader', leader.name, '--candidate', candidate.name, '--force');
  expect(await cluster.leader(leader)).toBe(candidate);
  await expectNothingLost();
  // The new leader carries on: its WAL is in the archive, on its timeline.
  await candidate.query('SELECT pg_switch_wal()');
  await waitFor(
    async () => (await cluster.keys('wal_005/00000002')).some((key) => /\/0{7}2[0-9A-F]{16}\./.test(key)),
    {
      what: 'WAL of the second timeline',
      timeout: 120_000,
    },
  );
});

test('kill -9 of the leader’s PostgreSQL', async () => {
  await cluster.configure({ primary_start_timeout: 0 });
  const leader = await cluster.whole();
  await ledger.grow(20);
  await leader.killPostgres();
  await cluster.leader(leader);
  await expectNothingLost();
});

test('kill -9 of the leader’s Patroni: its server is stopped at once and another leads', async () => {
  const leader = await cluster.whole();
  await ledger.grow(20);
  await leader.killPatroni();
  // Nothing of it runs on, so that no client can write to a leader that nobody can stop.
  expect(await leader.exited()).not.toBe(0);
  expect(await leader.processes()).toEqual([]);
  await cluster.leader(leader);
  // As a container's restart policy does.
  leader.start();
  await expectNothingLost();
});

test('the leader’s whole node is gone, its data and WAL that only its replicas have too', async () => {
  const leader = await cluster.whole();
  await cluster.minio.kill();
  for (let round = 0; round < 2; round++) {
    await ledger.grow(20);
    await leader.query('SELECT pg_switch_wal()');
  }
  await leader.kill();
  await leader.wipe();
  await cluster.minio.start();
  const next = await cluster.leader(leader);
  await next.logged(/archived [0-9A-F]{24}, which the leader before had left out/, 0, 120_000);
  leader.start();
  await expectNothingLost();
});

test('the archive leads through all of it without a gap', async () => {
  const leader = await cluster.whole();
  await ledger.stop();
  await leader.query('SELECT pg_switch_wal()');
  await waitFor(
    async () => {
      const { code } = await runPgarc(['wal-verify'], { env: { ...leader.env, PGARC_SCOPE: cluster.scope } });
      return code === 0;
    },
    { what: 'an archive without gaps', timeout: 60_000, interval: 500 },
  );
});
