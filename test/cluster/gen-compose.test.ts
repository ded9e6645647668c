import { beforeAll, expect, test } from 'vitest';
import { describeCluster } from '../../images/compose/generator/describe.ts';
import { readOptions } from '../../images/compose/generator/options.ts';
import { type GeneratedCluster, makeGeneratedCluster } from '../support/generated-cluster.ts';
import { type ClusterLedger, startClusterLedger } from '../support/patroni-ledger.ts';
import type { PatroniNode } from '../support/patroni-node.ts';
import { waitFor } from '../support/wait.ts';

const minutes = 60_000;

let generated: GeneratedCluster;
let ledger: ClusterLedger;

beforeAll(async () => {
  const options = { nodes: '6', datacentres: '3', basePort: '15000', pgVersion: '15', scope: 'dcs' };
  generated = await makeGeneratedCluster(describeCluster(readOptions(options)));
  const { cluster } = generated;
  for (const node of cluster.nodes) node.start();
  await cluster.whole();
  ledger = await startClusterLedger(cluster);
}, 5 * minutes);

/** The node whose confirmation the leader waits for. */
async function synchronousStandby(leader: PatroniNode): Promise<PatroniNode> {
  return waitFor(
    async () => {
      const name = await leader.value(
        "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'",
      );
      return generated.cluster.nodes.find((node) => node.name === name);
    },
    { what: 'a synchronous standby', timeout: 2 * minutes },
  );
}

async function ask(port: number, sql: string): Promise<string> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' },
    password: generated.cluster.superuserPassword,
    connectionTimeoutMillis: 5000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return String(Object.values(rows[0] ?? {})[0]);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The servers of a section that HAProxy's status page shows as up. */
async function up(section: string): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${generated.ports.status}/;csv`);
  const lines = (await answer.text()).split('\n').map((line) => line.split(','));
  const status = lines[0]!.indexOf('status');
  return lines
    .filter((line) => line[0] === section && line[1]?.startsWith('node') && line[status]?.startsWith('UP'))
    .map((line) => line[1]!)
    .sort();
}

test('six nodes over three data centres: a commit is in two of them', async () => {
  const { cluster, plan } = generated;
  const leader = await cluster.whole();
  expect(plan(leader).candidate).toBe(true);
  const standby = await synchronousStandby(leader);
  expect(plan(standby).candidate).toBe(true);
  expect(plan(standby).datacentre).not.toBe(plan(leader).datacentre);
  const list = await cluster.ctl('list', '--format', 'json');
  const members = JSON.parse(list) as { Member: string; Tags?: Record<string, unknown> }[];
  expect(Object.fromEntries(members.map(({ Member, Tags }) => [Member, Tags]))).toMatchObject({
    node1: { datacentre: 'dc1' },
    node4: { datacentre: 'dc1', nofailover: true, nosync: true, clonefrom: true },
  });
});

test('HAProxy leads to the leader and to the replicas, and shows who is up', async () => {
  const { cluster, ports } = generated;
  const leader = await cluster.whole();
  await waitFor(
    async () => (await up('leader')).join() === leader.name && (await up('replicas')).length === 5,
    {
      what: 'HAProxy to see one leader and five replicas',
      timeout: 2 * minutes,
    },
  );
  expect(await up('replicas')).not.toContain(leader.name);
  expect(await ask(ports.leader, 'SELECT pg_is_in_recovery()')).toBe('false');
  expect(await ask(ports.replicas, 'SELECT pg_is_in_recovery()')).toBe('true');
});

test('a data centre is lost: the synchronous standby in another one leads, and no commit is missing', async () => {
  const { cluster, plan, ports } = generated;
  const leader = await cluster.whole();
  await ledger.grow(20);
  const standby = await synchronousStandby(leader);
  const lost = cluster.nodes.filter((node) => plan(node).datacentre === plan(leader).datacentre);
  expect(lost).toHaveLength(2);
  await Promise.all(lost.map((node) => node.kill()));
  const next = await cluster.leader(leader);
  expect(next).toBe(standby);
  await ledger.grow(20);
  expect(await ask(ports.leader, 'SELECT pg_is_in_recovery()')).toBe('false');

  // It comes back as replicas. What was acknowledged is everywhere.
  for (const node of lost) node.start();
  const last = await cluster.whole();
  await ledger.stop();
  const lsn = await last.value('SELECT pg_current_wal_lsn()');
  for (const node of cluster.nodes.filter((one) => one !== last)) {
    await waitFor(async () => (await node.value(`SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === 'true', {
      what: `${node.name} to replay ${lsn}`,
      timeout: 2 * minutes,
    });
    expect(await ledger.missing(node)).toEqual([]);
  }
  expect(await ledger.missing(last)).toEqual([]);
});
