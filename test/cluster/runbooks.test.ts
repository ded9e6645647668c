import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, test } from 'vitest';
import { type DocRun, runDocPage } from '../support/doc-commands.ts';
import { type DocDocker, makeDocDocker } from '../support/doc-docker.ts';
import type { Varying } from '../support/doc-output.ts';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import type { PatroniNode } from '../support/patroni-node.ts';
import { ROOT } from '../support/pgarc.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const MINUTES = 60_000;

let cluster: PatroniCluster;
let docker: DocDocker;
let run: DocRun & { shown: Map<string, string>; places: Map<string, string> };
let node1: PatroniNode;
let node2: PatroniNode;
let node3: PatroniNode;

/** What the cluster decides by itself, this way or that. */
const VARYING: readonly Varying[] = [
  // Told only where the nodes' ports differ, as they do without namespaces.
  [/\b(node\d|copy1):5432\b/g, '$1'],
  [/\bSync Standby\b/g, 'Replica'],
  // Lag, in MB.
  [/\| +\d+ \|$/gm, '| N |'],
  // Offsets and a size, in WAL-E's table.
  [/\t[0-9A-F]{8}(?=\t|$)/gm, '\tN'],
];

/** Without etcd any node may become the leader. */
const ANY_LEADER: readonly Varying[] = [
  [/\| (Leader|Replica|Sync Standby) +\| running \| +\d+ \| +\d* \|/g, '| ROLE | running |'],
  ...VARYING,
];

beforeAll(async () => {
  cluster = await makePatroniCluster({
    nodes: 0,
    scope: 'main',
    env: { PGARC_SCHEDULE_BACKUP_CRON: undefined, RESTART_LIMIT: undefined },
  });
  for (const name of ['node1', 'node2', 'node3']) await cluster.addNode(name);
  [node1, node2, node3] = cluster.nodes as [PatroniNode, PatroniNode, PatroniNode];
  docker = await makeDocDocker(cluster.nodes, cluster.etcd.endpoints);
  const home = await makeTemporaryFolder('home');
  const shown = new Map([
    [ROOT, '/opt/pgarc'],
    [`s3://${cluster.minio.bucket}`, 's3://pgarc'],
    [`bucket ${cluster.minio.bucket}`, 'bucket pgarc'],
    [cluster.etcd.endpoints, 'etcd1:2379,etcd2:2379,etcd3:2379'],
    [node1.env.WALE_S3_ENDPOINT!.replace('http+path://', ''), 'minio:9000'],
  ]);
  for (const [index, { endpoint }] of cluster.etcd.members.entries()) {
    shown.set(endpoint, `http://etcd${index + 1}:2379`);
    shown.set(new URL(endpoint).host, `etcd${index + 1}:2379`);
  }
  run = {
    env: { HOME: home, PATH: `${docker.folder}:${process.env.PATH}` },
    asPostgres: false,
    places: new Map([['images/compose/gen-compose', join(ROOT, 'images/compose/gen-compose')]]),
    shown,
    varying: VARYING,
  };
  for (const node of cluster.nodes) show(node);
}, 5 * MINUTES);

/** Makes a node's paths and addresses print as those of its container. */
function show({ name, place, pgPort, dataDir, stateDir, configFile }: PatroniNode): void {
  const runDir = configFile.replace(/\/patroni\.yml$/, '');
  if (cluster.network.isIsolated) run.shown.set(place.address, name);
  for (const [word, other] of [
    // A container's host has the node's name.
    [`${name} (${hostname()})`, name],
    [`${place.address}:${pgPort}`, `${name}:5432`],
    [dataDir, '/data/postgres'],
    [stateDir, '/data/pgarc-state'],
    [`${runDir}/.s.PGSQL.${pgPort}`, '/run/postgresql/.s.PGSQL.5432'],
    [runDir, '/run/pgarc'],
    [join(ROOT, 'images/patroni/create-replica'), '/opt/patroni/create-replica'],
    [join(ROOT, 'cli/pgarc'), '/usr/local/bin/pgarc'],
  ] as const) {
    run.shown.set(word, other);
  }
}

/** Waits until it is this one that has every commit, if need be by taking the other one away for a while. */
async function makeSynchronous(wanted: PatroniNode): Promise<void> {
  const leader = await cluster.whole();
  const other = cluster.nodes.find((node) => node !== leader && node !== wanted)!;
  const isSynchronous = async () => (await wanted.ask('/synchronous')).status === 200;
  if (!(await isSynchronous())) {
    await other.stop();
    await waitFor(isSynchronous, { what: `${wanted.name} to be synchronous` });
    other.start();
  }
  await cluster.whole();
}

async function archiveAll(): Promise<void> {
  const leader = await cluster.leader();
  await leader.value("SELECT pg_logical_emit_message(true, 'a', 'b')");
  await leader.value('SELECT pg_switch_wal()');
  await waitFor(
    async () =>
      (await leader.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) ===
      '0',
    { what: 'all WAL to be archived' },
  );
}

test('docs/patroni.md', { timeout: 10 * MINUTES }, async () => {
  await runDocPage('docs/patroni.md', {
    ...run,
    steps: {
      'node2 is a synchronous standby': () =>
        waitFor(async () => (await node2.ask('/synchronous')).status === 200, {
          what: 'node2 to be synchronous',
        }),
      async 'there is a database'() {
        await makeSynchronous(node2);
        await node1.query('CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id');
      },
      'all replicas follow': () => makeSynchronous(node1),
      async 'the data is spoilt'() {
        const moment = await node1.value(
          "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US') || '+00'",
        );
        run.places.set('2026-11-21 18:04:57+00', moment);
        await node1.query('DELETE FROM orders WHERE id > 10');
        await archiveAll();
      },
      async 'there is a place for the clone'() {
        const copy = await makePatroniCluster({ scope: 'copy', nodes: 0, beside: cluster });
        const node = await copy.addNode('copy1', { BOOTSTRAP_FROM_SCOPE: 'main' });
        show(node);
        await docker.add(node);
        await archiveAll();
      },
    },
  });
});

test('docs/runbooks/leader-lost.md', { timeout: 5 * MINUTES }, async () => {
  await runDocPage('docs/runbooks/leader-lost.md', {
    ...run,
    steps: {
      async 'the leader is lost'() {
        await makeSynchronous(node2);
        await node1.kill();
        await cluster.leader(node1);
      },
    },
  });
});

test('docs/runbooks/etcd-lost.md', { timeout: 5 * MINUTES }, async () => {
  const [, ...others] = cluster.etcd.members;
  await runDocPage('docs/runbooks/etcd-lost.md', {
    ...run,
    varying: ANY_LEADER,
    steps: {
      async 'two of three members are gone'() {
        await cluster.whole();
        for (const member of others) await member.kill();
      },
      async 'the members are back'() {
        await cluster.etcd.start();
        await cluster.whole();
      },
      async 'etcd is made anew'() {
        await cluster.etcd.wipe();
        await cluster.whole();
      },
    },
  });
});

test('docs/runbooks/replica-will-not-bootstrap.md', { timeout: 5 * MINUTES }, async () => {
  const { REPLICATION_PASSWORD, AWS_SECRET_ACCESS_KEY } = node3.env;
  const right = { REPLICATION_PASSWORD, AWS_SECRET_ACCESS_KEY };
  await runDocPage('docs/runbooks/replica-will-not-bootstrap.md', {
    ...run,
    varying: ANY_LEADER,
    steps: {
      async 'a replica cannot be made'() {
        await cluster.whole();
        await node3.stop();
        await node3.wipe();
        // So that those of the pages before do not count.
        await rm(join(node3.stateDir, 'attempts'), { force: true });
        const wrong = { REPLICATION_PASSWORD: 'of yesterday', AWS_SECRET_ACCESS_KEY: 'of yesterday' };
        node3.start({ ...wrong, RESTART_LIMIT: '2' });
        await node3.logged('STOPPED', 0, 2 * MINUTES);
      },
      async 'the cause is removed'() {
        await node3.stop();
        Object.assign(node3.env, right);
      },
    },
  });
});
