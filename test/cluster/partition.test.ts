import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { beforeAll, expect, test } from 'vitest';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { type ClusterLedger, startClusterLedger } from '../support/patroni-ledger.ts';
import type { PatroniNode } from '../support/patroni-node.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

let cluster: PatroniCluster;
let ledger: ClusterLedger;

beforeAll(async () => {
  cluster = await makePatroniCluster();
  for (const node of cluster.nodes) node.start();
  await cluster.whole();
  ledger = await startClusterLedger(cluster);
});

async function expectNothingLost(): Promise<void> {
  await ledger.grow(20);
  const leader = await cluster.whole();
  expect(await ledger.missing(leader)).toEqual([]);
}

/** What every object of the archive holds. */
async function fingerprint(): Promise<Map<string, string>> {
  const objects = new Map<string, string>();
  let token: string | undefined;
  do {
    const page = await cluster.minio.client.send(
      new ListObjectsV2Command({ Bucket: cluster.minio.bucket, ContinuationToken: token }),
    );
    for (const { Key, ETag } of page.Contents ?? []) objects.set(Key!, ETag!);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return objects;
}

/** Whatever was there is there as it was; more may have come. */
async function expectUntouched(before: Map<string, string>): Promise<void> {
  const after = await fingerprint();
  // The daemon's own records under pgarc/ change as it works.
  const isWal = ([key]: [string, string]) => key.includes('/wal_005/') || key.includes('/basebackups_005/');
  for (const [key, tag] of [...before].filter(isWal)) expect([key, after.get(key)]).toEqual([key, tag]);
}

test('etcd is stopped on two of three nodes, and comes back', async () => {
  const leader = await cluster.whole();
  await ledger.grow(20);
  const [one, two] = cluster.etcd.members;
  await Promise.all([one!.kill(), two!.kill()]);
  // Without a quorum nobody knows who leads, so nobody may.
  await waitFor(async () => (await cluster.findLeader()) === undefined, { what: 'the leader to step down' });
  await waitFor(async () => (await leader.value('SELECT pg_is_in_recovery()')) === 'true', {
    what: 'its server to take no writes',
  });
  await cluster.etcd.start();
  await expectNothingLost();
});

test('the leader’s network is cut: it stops, another leads, and nothing of the archive is overwritten', async (context) => {
  if (!cluster.network.isIsolated) context.skip('needs network namespaces');
  const leader = await cluster.whole();
  await ledger.grow(20);
  const since = (await leader.log()).length;
  await leader.place.cut();
  await cluster.leader(leader);
  await leader.logged(
    /[Dd]emoting self because DCS is not accessible|demoted self because DCS is not accessible/,
    since,
  );
  await ledger.grow(20);
  const before = await fingerprint();
  await leader.place.heal();
  await expectNothingLost();
  await expectUntouched(before);
});

test('a leader that nobody stops runs on: its late WAL cannot overwrite the new one’s, and it is rewound', async () => {
  await cluster.configure({ postgresql: { parameters: { wal_keep_size: '32MB' } } });
  const old = await cluster.whole();
  await waitFor(async () => (await old.value('SHOW wal_keep_size')) === '32MB', { what: 'the new setting' });
  await ledger.grow(20);
  await old.killAllButPostgres();
  const leader = await cluster.leader(old);
  const fork = await findFork(leader);
  await runOn(old);
  // WAL from before the fork, where the two were still one, is only in the archive.
  const kept = await readdir(join(old.dataDir, 'pg_wal'));
  expect(kept).not.toContain(fork);
  await old.kill();
  await ledger.grow(20);
  await leader.query('SELECT pg_switch_wal()');
  await archived(leader);

  await archiveLate(old);

  const since = (await old.log()).length;
  old.start();
  await expectNothingLost();
  expect(await old.logged(/pg_rewind exit code=\d/, since)).toBe('pg_rewind exit code=0');
  expect(await old.value("SELECT count(*) FROM pg_class WHERE relname = 'late'")).toBe('0');
});

/** The segment in which a leader's timeline begins, under the name of the timeline before. */
async function findFork(leader: PatroniNode): Promise<string> {
  const history = await waitFor(
    async () => {
      const files = await readdir(join(leader.dataDir, 'pg_wal'));
      return files
        .filter((name) => name.endsWith('.history'))
        .sort()
        .at(-1);
    },
    { what: 'a history file' },
  );
  const lines = (await readFile(join(leader.dataDir, 'pg_wal', history), 'utf8')).trim().split('\n');
  const [timeline, place] = lines.at(-1)!.split('\t');
  const [high, low] = place!.split('/').map((part) => Number.parseInt(part, 16));
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return hex(Number(timeline)) + hex(high!) + hex(Math.floor(low! / 0x1000000));
}

/** Writes and checkpoints until a server has given up its older WAL. */
async function runOn(node: PatroniNode): Promise<void> {
  await node.query('SET synchronous_commit = local; CREATE TABLE late (id int)');
  for (let round = 0; round < 10; round++) {
    await node.query(
      `SET synchronous_commit = local; INSERT INTO late VALUES (${round}); SELECT pg_switch_wal()`,
    );
  }
  await archived(node);
  // Its replicas' slots keep WAL for them, and they are gone to another leader.
  await waitFor(
    async () => {
      await node.query(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active',
      );
      return (await node.value('SELECT count(*) FROM pg_replication_slots')) === '0';
    },
    { what: 'the replicas to leave' },
  );
  for (let round = 0; round < 2; round++) await node.query('CHECKPOINT');
}

async function archived(node: PatroniNode): Promise<void> {
  await waitFor(
    async () =>
      (await node.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) === '0',
    { what: `${node.name} to archive its WAL`, timeout: 120_000 },
  );
}

/**
 * A copy of the old leader, promoted where it sees neither etcd nor the archive's history: it takes the same number
 * for its timeline as the new leader did. Then it reaches the archive.
 */
async function archiveLate(old: PatroniNode): Promise<void> {
  const copy = join(await makeTemporaryFolder('late'), 'data');
  execFileSync('cp', ['-a', old.dataDir, copy]);
  await writeFile(join(copy, 'pg_hba.conf'), 'local all all trust\nhost all all 127.0.0.1/32 trust\n');
  await writeFile(join(copy, 'standby.signal'), '');
  const before = await fingerprint();
  const late = await startPostgres({
    dataDir: copy,
    env: { ...old.env, PGARC_SCOPE: cluster.scope, PGARC_SPOOL: await makeTemporaryFolder('spool') },
    settings: {
      // Patroni's settings name the files of the directory they were made for.
      hba_file: join(copy, 'pg_hba.conf'),
      restore_command: '',
      primary_conninfo: '',
      synchronous_standby_names: '',
    },
    archive: true,
  });
  await late.promote();
  await late.query('SELECT pg_switch_wal()');
  await waitFor(async () => Number(await late.value('SELECT failed_count FROM pg_stat_archiver')) > 0, {
    what: 'the late leader’s WAL to be refused',
  });
  expect(await late.log()).toMatch(/\.history.* (differ|other|another|already)/);
  await expectUntouched(before);
  await late.stop('immediate');
}
