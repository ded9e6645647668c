import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { isArchived } from '../support/archived.ts';
import { atEnd } from '../support/cleanup.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, ROOT } from '../support/pgarc.ts';
import { freePort } from '../support/ports.ts';
import { findBinaries } from '../support/postgres-binaries.ts';
import { startProgram } from '../support/run.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';

/** Patroni itself, with the configurations of docs/replica.md. */

type Yaml = Record<string, unknown>;

let etcd: TestEtcd;
let minio: TestMinio;
let page: string;

beforeAll(async () => {
  page = await readFile(join(ROOT, 'docs/replica.md'), 'utf8');
  [etcd, minio] = await Promise.all([startEtcd(), startMinio()]);
  await etcd.ready();
});

/** The block of the page that begins with this comment. */
function blockOf(title: string, replace: (text: string) => string = (text) => text): Yaml {
  const block = page
    .split('```yaml\n')
    .map((rest) => rest.split('```')[0] ?? '')
    .find((text) => text.startsWith(`# patroni.yml: ${title}\n`));
  if (block === undefined) throw new Error(`the page has no "${title}"`);
  return parse(replace(block)) as Yaml;
}

function merge(one: Yaml, other: Yaml): Yaml {
  const isMap = (value: unknown): value is Yaml =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const result = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = result[key];
    result[key] = isMap(before) && isMap(value) ? merge(before, value) : value;
  }
  return result;
}

interface Node {
  env: Record<string, string>;
  log(): string;
  stop(): Promise<void>;
  value(sql: string): Promise<string>;
}

async function startPatroni(name: string, scope: string, ...blocks: Yaml[]): Promise<Node> {
  const folder = await makeTemporaryFolder(name);
  const [port, api] = [await freePort(), await freePort()];
  const dataDir = join(folder, 'data');
  const env = {
    ...minio.env(`backups/${scope}/wal`),
    PGARC_SPOOL: join(folder, 'spool'),
    PATRONI_SCOPE: scope,
    PATH: `${ROOT}/cli:${process.env.PATH}`,
  };
  const base: Yaml = {
    scope,
    name,
    restapi: { listen: `127.0.0.1:${api}`, connect_address: `127.0.0.1:${api}` },
    etcd3: { hosts: etcd.endpoints },
    bootstrap: { dcs: { ttl: 60, loop_wait: 1, retry_timeout: 20 } },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: dataDir,
      bin_dir: findBinaries(15),
      pgpass: join(folder, 'pgpass'),
      authentication: {
        replication: { username: 'replicator', password: 'of-replication-7Q' },
        superuser: { username: 'postgres', password: 'of-superuser-7Q' },
      },
      pg_hba: [
        'local all all trust',
        'host all all 127.0.0.1/32 scram-sha-256',
        'host replication replicator 127.0.0.1/32 scram-sha-256',
      ],
      parameters: { unix_socket_directories: folder, shared_buffers: '32MB', fsync: 'off' },
    },
  };
  const file = join(folder, 'patroni.yml');
  await writeFile(file, stringify(blocks.reduce(merge, base)));
  await chmod(file, 0o644);
  giveAway(file);
  const running = startProgram('patroni', [file], { env, cwd: folder, timeout: 600_000 });
  const node: Node = {
    env: {
      ...env,
      PGHOST: folder,
      PGPORT: String(port),
      PGUSER: 'postgres',
      PGDATABASE: 'postgres',
      PGDATA: dataDir,
    },
    log: running.stderr,
    async stop() {
      // Not in order: a server that is killed has the less to wait for.
      running.child.kill('SIGKILL');
      const pid = Number(
        (await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0],
      );
      if (pid > 0) process.kill(pid, 'SIGQUIT');
      await running.result;
    },
    async value(sql) {
      const { default: pg } = await import('pg');
      const client = new pg.Client({
        ...{ host: folder, port, user: 'postgres', database: 'postgres' },
        ...{ connectionTimeoutMillis: 5000, query_timeout: 20_000 },
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const { rows } = await client.query<Yaml>(sql);
        return String(Object.values(rows[0] ?? {})[0]);
      } finally {
        void client.end().catch(() => undefined);
      }
    },
  };
  atEnd(() => node.stop().catch(() => undefined));
  return node;
}

/** Waits until a query answers so. */
async function becomes(node: Node, sql: string, answer: string, what: string): Promise<void> {
  await waitFor(async () => (await node.value(sql)) === answer, {
    what,
    timeout: 120_000,
    interval: 200,
  }).catch((error) => {
    throw new Error(`${error.message}\n${node.log().slice(-6000)}`);
  });
}

/** Patroni has ended its bootstrap, with a restart where that was to be. */
async function leads(node: Node): Promise<void> {
  await waitFor(() => /no action. I am \(\w+\), the leader/.test(node.log()), {
    what: 'a quiet leader',
    timeout: 120_000,
    interval: 200,
  }).catch((error) => {
    throw new Error(`${error.message}\n${node.log().slice(-6000)}`);
  });
  await becomes(node, 'SELECT pg_is_in_recovery()', 'false', 'the node to lead');
}

async function archiveAll(node: Node): Promise<void> {
  const segment = await node.value('SELECT pg_walfile_name(pg_switch_wal())');
  await becomes(node, isArchived(segment), 'true', `the archiving of ${segment}`);
}

test('replicas, a clone, and the cluster rebuilt to a moment, each as the page says', async () => {
  const replicas = blockOf('replicas');
  const first = await startPatroni('first', 'main', replicas);
  await leads(first);
  await first.value('CREATE TABLE t AS SELECT 1 AS a');
  await mustRunPgarc(['backup-push', first.env.PGDATA!], { env: first.env });
  await first.value('INSERT INTO t VALUES (2) RETURNING a');

  const second = await startPatroni('second', 'main', replicas, {
    postgresql: { pgarc: { threshold_backup_size_percentage: 1000 } },
  });
  await becomes(second, 'SELECT count(*) FROM t', '2', 'what the leader has');
  await becomes(second, 'SELECT status FROM pg_stat_wal_receiver', 'streaming', 'the replica to stream');
  expect(second.log()).toMatch(/verdict=use reason=within-thresholds/);
  expect(second.log()).toContain('replica has been created using pgarc');
  const third = await startPatroni('third', 'main', replicas, {
    postgresql: { pgarc: { threshold_megabytes: 0 } },
  });
  await becomes(third, 'SELECT count(*) FROM t', '2', 'what the leader has');
  expect(third.log()).toMatch(/verdict=no reason=over-megabytes/);
  expect(third.log()).toContain('replica has been created using basebackup');
  await third.stop();
  await second.stop();

  const moment = await first.value(
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'",
  );
  await first.value('DELETE FROM t RETURNING a');
  await archiveAll(first);
  const source = await minio.keys('backups/main/');
  const clone = await startPatroni('copy', 'copy', replicas, blockOf('clone'));
  await leads(clone);
  expect(await clone.value('SELECT count(*) FROM t')).toBe('0');
  await waitFor(async () => (await minio.keys('backups/copy/wal/wal_005/00000002')).length > 0, {
    what: "the clone's own archive",
    timeout: 60_000,
  });
  expect(await minio.keys('backups/main/')).toEqual(source);
  await clone.stop();

  await first.stop();
  await etcd.ctl('del', '--prefix', '/service/main/');
  const toMoment = blockOf('rebuild to a moment', (text) =>
    text.replaceAll('2026-11-21 12:00:00+00', moment),
  );
  const rebuilt = await startPatroni('rebuilt', 'main', replicas, toMoment);
  await leads(rebuilt);
  expect(await rebuilt.value('SELECT count(*) FROM t')).toBe('2');
  await archiveAll(rebuilt);
  await rebuilt.stop();

  await etcd.ctl('del', '--prefix', '/service/main/');
  const again = await startPatroni('again', 'main', replicas, blockOf('rebuild'));
  await leads(again);
  // The newest timeline is the one that went on from the moment.
  expect(await again.value('SELECT count(*) FROM t')).toBe('2');
}, 600_000);
