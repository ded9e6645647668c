import { beforeAll, expect, test } from 'vitest';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { type ClusterLedger, startClusterLedger } from '../support/patroni-ledger.ts';
import type { PatroniNode } from '../support/patroni-node.ts';
import { waitFor } from '../support/wait.ts';

let cluster: PatroniCluster;
let ledger: ClusterLedger;
let first: PatroniNode;
let second: PatroniNode;
let third: PatroniNode;

beforeAll(async () => {
  cluster = await makePatroniCluster();
  [first, second, third] = cluster.nodes as [PatroniNode, PatroniNode, PatroniNode];
  first.start();
  await cluster.leader();
  ledger = await startClusterLedger(cluster);
});

/** Waits for a replica and looks that it has all that was acknowledged. */
async function expectWhole(...nodes: PatroniNode[]): Promise<void> {
  await ledger.grow(20);
  const leader = await cluster.whole([first, ...nodes]);
  const lsn = await leader.value('SELECT pg_current_wal_lsn()');
  for (const node of nodes) {
    await waitFor(async () => (await node.value(`SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === 'true', {
      what: `${node.name} to replay ${lsn}`,
    });
  }
  expect(await ledger.missing(leader)).toEqual([]);
}

/** The explained line, and the method Patroni ended up with, after a place in a node's log. */
async function readDecision(node: PatroniNode, since = 0): Promise<{ line: string; method: string }> {
  const method = await node.logged(/replica has been created using \w+/, since, 120_000);
  const line = await node.logged(/replicaDecision.*/, since);
  return { line, method: method.replace(/^.* /, '') };
}

test('the first leader archives its WAL and takes the first backup at once', async () => {
  const sentinels = await waitFor(
    async () => {
      const keys = await cluster.keys('basebackups_005/');
      const found = keys.filter((key) => key.endsWith('_backup_stop_sentinel.json'));
      return found.length > 0 && found;
    },
    { timeout: 120_000, what: 'the first backup' },
  );
  expect(sentinels).toHaveLength(1);
  expect(await cluster.keys('wal_005/')).not.toEqual([]);
  const name = sentinels[0]!.replace(/^.*\/|_backup_stop_sentinel.json$/g, '');
  await waitFor(
    async () => (await cluster.etcd.get(`/service/${cluster.scope}/wale-backup-list`))?.includes(name),
    { what: 'the list of backups in etcd' },
  );
});

test('the administrator was made, with a password of any characters', async () => {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    host: first.place.address,
    port: first.pgPort,
    user: 'pgadmin',
    password: cluster.adminPassword,
    database: 'postgres',
  });
  await client.connect();
  const { rows } = await client.query(
    'SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user',
  );
  await client.end();
  expect(rows).toEqual([{ rolcreatedb: true, rolsuper: false }]);
});

test('no password is in a log or on a command line', async () => {
  const commands = (await first.processes()).map(({ command }) => command).join('\n');
  for (const text of [commands, await first.log()]) {
    expect(text).not.toContain(cluster.superuserPassword);
    expect(text).not.toContain(cluster.adminPassword);
    expect(text).not.toContain(cluster.minio.secretKey);
  }
});

test('a replica starts from the archive, then streams', async () => {
  second.start({ WALE_BACKUP_THRESHOLD_PERCENTAGE: '100000' });
  const { line, method } = await readDecision(second);
  expect(line).toContain('using the archive: backup base_');
  expect(line).toContain('is near enough to the leader');
  expect(method).toBe('pgarc');
  await expectWhole(second);
});

test.for([
  ['1 MB', { WALE_BACKUP_THRESHOLD_MEGABYTES: '1', WALE_BACKUP_THRESHOLD_PERCENTAGE: '100000' }, '1 MiB'],
  ['1 %', { WALE_BACKUP_THRESHOLD_MEGABYTES: undefined, WALE_BACKUP_THRESHOLD_PERCENTAGE: '1' }, '1 %'],
] as const)('a replica starts from the leader with the threshold at %s', async ([, env, limit]) => {
  await first.query('SELECT pg_switch_wal()');
  await third.stop();
  await third.wipe();
  const since = (await third.log()).length;
  third.start(env);
  const { line, method } = await readDecision(third, since);
  expect(line).toContain('not using the archive: the WAL since backup base_');
  expect(line).toContain(`is not less than ${limit}`);
  expect(method).toBe('basebackup');
  await expectWhole(second, third);
});

test('a replica is made anew by patronictl reinit', async () => {
  const since = (await second.log()).length;
  await cluster.ctl('reinit', cluster.scope, second.name, '--force');
  expect((await readDecision(second, since)).method).toBe('pgarc');
  await expectWhole(second, third);
});

test('S3 down while a replica is made: it falls to the leader, and says so', async () => {
  await third.stop();
  await third.wipe();
  const since = (await third.log()).length;
  await cluster.minio.kill();
  third.start({ WALE_BACKUP_THRESHOLD_PERCENTAGE: '100000', PGARC_STORE_TIMEOUT: '3s' });
  const { method } = await readDecision(third, since);
  expect(method).toBe('basebackup');
  await expectWhole(second, third);
  await cluster.minio.start();
});

test('S3 down for the leader: no commit waits, and the backlog drains afterwards', async () => {
  await cluster.minio.kill();
  await ledger.grow(50);
  for (let round = 0; round < 3; round++) await first.query('SELECT pg_switch_wal()');
  await ledger.grow(50);
  expect(Number(await readyFiles())).toBeGreaterThan(2);
  await cluster.minio.start();
  await waitFor(async () => (await readyFiles()) === '0', { what: 'the backlog to drain', timeout: 120_000 });
  await expectWhole(second, third);
});

test('the daemon is started again after kill -9', async () => {
  const since = (await first.log()).length;
  await first.killDaemon();
  await first.logged("pgarc's daemon has ended with exit code 137", since);
  await first.logged('daemonReady', since);
  await first.query('SELECT pg_switch_wal()');
  await waitFor(async () => (await readyFiles()) === '0', { what: 'the segment to be archived' });
});

test('so is the watch for the lead', async () => {
  const since = (await first.log()).length;
  const isWatch = ({ command }: { command: string }) => /\/sh \S+\/lead$/.test(command);
  const watch = (await first.processes()).find(isWatch)!;
  process.kill(watch.pid, 'SIGKILL');
  await first.logged('the watch for the lead has ended with exit code 137', since);
  await waitFor(async () => (await first.processes()).some(isWatch), { what: 'another watch' });
});

test('a node ends in order on SIGTERM', async () => {
  expect(await third.stop()).toBe(0);
  expect(await third.processes()).toEqual([]);
  expect(await third.log()).toContain('database system is shut down');
});

function readyFiles(): Promise<string> {
  return first.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'");
}
